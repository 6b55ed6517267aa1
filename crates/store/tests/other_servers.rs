//! Servers of other versions and with settings of their own, as tests get them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use netraven_store::testing::{OtherServer, ServerOptions};
use sqlx::{Connection, PgConnection};

async fn ask(url: &str, sql: &'static str) -> Result<String, sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query_scalar(sql).fetch_one(&mut connection).await
}

#[tokio::test]
async fn each_version_answers_as_what_it_is_and_leaves_nothing_behind() {
    let Some(system) = OtherServer::system_major().await else { return };
    for major in [13, 14, 18, system] {
        let Some(server) = OtherServer::start(major).await else { return };
        let version = ask(server.admin_url(), "SELECT current_setting('server_version_num')").await.unwrap();
        assert_eq!(version.parse::<u32>().unwrap() / 10_000, major);
        let nobody = server.url_as("postgres", "not the password", "postgres");
        assert!(ask(nobody.expose_text().unwrap(), "SELECT 'in'").await.is_err());
        let directory = server.directory().to_owned();
        drop(server);
        assert!(!directory.exists());
    }
}

#[tokio::test]
async fn options_reach_the_server() {
    let Some(system) = OtherServer::system_major().await else { return };
    let options = ServerOptions {
        tcp: true,
        settings: vec![("cluster_name", "it's ours".to_owned())],
        hba: Some("host all all 127.0.0.1/32 scram-sha-256\n".to_owned()),
        files: Vec::new(),
    };
    let Some(server) = OtherServer::start_with(system, options).await else { return };
    let url = format!("postgresql://postgres:{}@127.0.0.1:{}/postgres", server.password(), server.port());
    assert_eq!(ask(&url, "SELECT current_setting('cluster_name')").await.unwrap(), "it's ours");
    assert!(ask(server.admin_url(), "SELECT 'in'").await.is_err(), "the socket is not in pg_hba.conf");
    assert!(server.log().contains("no pg_hba.conf entry"), "{}", server.log());
}
