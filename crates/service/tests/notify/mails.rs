//! E-mail: one for each change, or one a day.

use crate::mailbox::Mailbox;
use crate::place::Place;
use chrono::{TimeDelta, Utc};
use netraven_model::DeliveryStatus::{Dead, Sent};
use netraven_model::Secret;
use netraven_service::notify::{NotifierSettings, SmtpSecurity, SmtpSettings, send_test};
use netraven_store::notifications;
use std::time::Duration;
use tokio::time::sleep;

const GRACE: Duration = Duration::from_secs(30);

fn smtp(mailbox: &Mailbox, security: SmtpSecurity) -> SmtpSettings {
    SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port: mailbox.port,
        security,
        login: Some(("raven".to_owned(), Secret::from("canary"))),
        from: "NetRaven <netraven@example.net>".to_owned(),
        ca_file: None,
        timeout: Duration::from_secs(30),
    }
}

#[tokio::test]
async fn each_change_is_a_mail_and_one_that_was_not_taken_comes_again() {
    let Some(place) = Place::new().await else { return };
    let mailbox = Mailbox::start(&["451 come back later"], None).await;
    place.email("ops", None).await;
    place.change(2).await;
    let settings = smtp(&mailbox, SmtpSecurity::None);
    let notifier = place.notifier(|notifier| notifier.smtp = Some(settings)).await;
    let rows = place.wait("ops", Sent, 2).await;
    assert_eq!((rows[0].attempts, rows[1].attempts), (2, 1));
    notifier.stop(GRACE).await;
    let mails = mailbox.mails();
    assert_eq!(mails.len(), 3, "the first one twice");
    let id = |number: usize| {
        let headers = mails[number].headers();
        headers.lines().find(|line| line.starts_with("Message-ID")).unwrap().to_owned()
    };
    assert!(id(0) == id(1) && id(1) != id(2), "{} {} {}", id(0), id(1), id(2));
    let mail = &mails[2];
    assert_eq!(mail.to, ["RCPT TO:<a@example.net>", "RCPT TO:<b@example.net>"]);
    assert!(mail.login.as_deref().unwrap().starts_with("AUTH PLAIN "));
    let headers = mail.headers();
    for expected in [
        "Subject: [NetRaven] r1: device failing",
        "From: NetRaven <netraven@example.net>",
        "To: a@example.net, b@example.net",
        "Auto-Submitted: auto-generated",
    ] {
        assert!(headers.contains(expected), "{headers}");
    }
    assert!(mail.body().contains("reason    timeout\r\nmessage   2\r\n"), "{}", mail.body());
}

#[tokio::test]
async fn a_daily_message_tells_of_all_that_happened_and_comes_once_however_long_it_was_missed() {
    let Some(place) = Place::new().await else { return };
    let mailbox = Mailbox::start(&[], None).await;
    place.email("daily", Some(Utc::now() - TimeDelta::days(3))).await;
    place.change(5).await;
    place.execute("UPDATE netraven.device_events SET hostname = E'r1\\r\\nBcc: evil@example.net'").await;
    let settings = smtp(&mailbox, SmtpSecurity::None);
    let notifier = place.notifier(|notifier| notifier.smtp = Some(settings)).await;
    place.wait("daily", Sent, 5).await;
    let next = place.next_digest("daily").await;
    assert!(next > Utc::now() && next <= Utc::now() + TimeDelta::hours(25), "{next}");
    place.change(1).await;
    while place.deliveries("daily").await.len() < 6 {
        sleep(Duration::from_millis(20)).await;
    }
    notifier.stop(GRACE).await;
    let mails = mailbox.mails();
    assert_eq!(mails.len(), 1, "what came behind it waits for the next day");
    assert!(mails[0].headers().contains("Subject: [NetRaven] 5 changes: 5 device failing"));
    assert!(
        mails[0].body().contains("r1  Bcc: evil@example.net, version 9, timeout, 5 times"),
        "{}",
        mails[0].body()
    );
    assert_eq!(mails[0].to.len(), 2);
}

#[tokio::test]
async fn a_day_on_which_nothing_happened_has_no_mail() {
    let Some(place) = Place::new().await else { return };
    let mailbox = Mailbox::start(&[], None).await;
    let due = Utc::now() - TimeDelta::minutes(1);
    place.email("daily", Some(due)).await;
    let settings = smtp(&mailbox, SmtpSecurity::None);
    let notifier = place.notifier(|notifier| notifier.smtp = Some(settings)).await;
    while place.next_digest("daily").await <= Utc::now() {
        sleep(Duration::from_millis(20)).await;
    }
    notifier.stop(GRACE).await;
    assert!(mailbox.mails().is_empty());
}

#[tokio::test]
async fn mail_goes_over_tls_to_a_server_that_is_trusted_and_never_without_it_where_it_is_wanted() {
    let Some(place) = Place::new().await else { return };
    let certificate = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let ca_file = place.file("ca.pem");
    std::fs::write(&ca_file, certificate.cert.pem()).unwrap();
    let protected = Mailbox::start(&[], Some(&certificate)).await;
    let open = Mailbox::start(&[], None).await;
    place.email("ops", None).await;
    let channel = notifications::get(&place.store, "ops").await.unwrap().channel;
    let send = async |smtp: SmtpSettings| {
        let settings = NotifierSettings { smtp: Some(smtp), ..NotifierSettings::default() };
        send_test(&channel, None, &place.vault, &settings).await
    };
    let trusted = SmtpSettings { ca_file: Some(ca_file), ..smtp(&protected, SmtpSecurity::Tls) };
    assert_eq!(send(trusted).await.unwrap(), "250");
    assert!(protected.mails()[0].headers().contains("Subject: [NetRaven] test"));
    let error = send(smtp(&protected, SmtpSecurity::Tls)).await.unwrap_err();
    assert!(error.to_lowercase().contains("certificate"), "{error}");
    for security in [SmtpSecurity::StartTls, SmtpSecurity::Tls] {
        let hurried = SmtpSettings { timeout: Duration::from_secs(3), ..smtp(&open, security) };
        send(hurried).await.unwrap_err();
    }
    assert_eq!((protected.mails().len(), open.mails().len()), (1, 0));
}

#[tokio::test]
async fn without_a_mail_server_mail_is_dead_in_the_end_and_says_what_to_set() {
    let Some(place) = Place::new().await else { return };
    place.email("ops", None).await;
    place.change(1).await;
    let notifier = place.notifier(|_| {}).await;
    let row = place.wait("ops", Dead, 1).await.pop().unwrap();
    assert!(row.last_error.unwrap().contains("notify.smtp.host"));
    notifier.stop(GRACE).await;
}
