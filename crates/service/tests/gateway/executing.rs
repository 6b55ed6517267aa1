use crate::place::{Place, command, lab};
use netraven_lab::{Failing, Failures};
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_command_is_answered_in_the_shape_that_callers_know() {
    let (place, lab) = (Place::new().await, lab(&["frr"], |_| {}));
    let device = lab.device(0).unwrap();
    let answer = place.execute(&command(&device, "show version")).await;
    assert_eq!((&answer["success"], &answer["error"]), (&json!(true), &json!(null)));
    let result = answer["result"].as_str().unwrap();
    assert!(result.contains("FRRouting"), "{answer}");
    assert_eq!((&answer["error_code"], &answer["details"]), (&json!(null), &json!(null)));
    assert_eq!(answer["results"][0]["command"], "show version");
    assert_eq!(answer["device_type"], "frr");
    assert!(answer["duration_ms"].is_u64() && answer["host_key"]["fingerprint"].is_string(), "{answer}");

    let status = place.status().await;
    assert_eq!((&status["successful_commands"], &status["failed_commands"]), (&json!(1), &json!(0)));
    assert_eq!(status["platforms"]["frr"]["successful_commands"], 1);
    assert_eq!((&status["active_connections"], &status["queued_jobs"]), (&json!(0), &json!(0)));
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    place.stop().await;
    lab.shutdown().await;
}

#[tokio::test]
async fn several_commands_share_a_session_and_a_refused_one_is_a_failure_with_the_devices_words() {
    let (place, lab) = (Place::new().await, lab(&["frr"], |_| {}));
    let mut request = command(&lab.device(0).unwrap(), "");
    request.as_object_mut().unwrap().remove("command");
    request["commands"] = json!(["show version", "show running-config"]);
    let answer = place.execute(&request).await;
    assert_eq!((&answer["success"], answer["results"].as_array().unwrap().len()), (&json!(true), 2));
    assert!(answer["result"].as_str().unwrap().contains("hostname"), "{answer}");

    request["commands"] = json!(["show version", "show nonsense"]);
    let answer = place.execute(&request).await;
    assert_eq!((&answer["success"], &answer["result"]), (&json!(false), &json!("")));
    assert_eq!(answer["error_code"], "command_rejected");
    assert!(
        answer["error"].as_str().unwrap().starts_with("the device refused `show nonsense`: %"),
        "{answer}"
    );
    assert_eq!(
        (&answer["results"][0]["success"], &answer["results"][1]["success"]),
        (&json!(true), &json!(false))
    );
    place.stop().await;
    lab.shutdown().await;
}

#[tokio::test]
async fn a_device_of_no_known_family_is_recognised_first() {
    let (place, lab) = (Place::new().await, lab(&["cisco_ios"], |_| {}));
    let mut request = command(&lab.device(0).unwrap(), "show version");
    request.as_object_mut().unwrap().remove("device_type");
    let answer = place.execute(&request).await;
    assert_eq!((&answer["success"], &answer["device_type"]), (&json!(true), &json!("cisco_ios")), "{answer}");
    place.stop().await;
    lab.shutdown().await;
}

#[tokio::test]
async fn a_devices_failure_is_an_answer_with_a_code_a_sentence_and_a_hint() {
    let place = Place::new().await;
    let kinds = [Failing::WrongPassword, Failing::NeverAnswers, Failing::ClosesMidOutput, Failing::Refuses];
    let listed = kinds.iter().enumerate().map(|(index, kind)| (index as u32, *kind)).collect();
    let lab = lab(&["frr"; 4], |settings| {
        settings.failures = Failures { listed, fraction: 0.0 };
        settings.rejection_delay = Duration::ZERO;
    });
    for (index, codes, phase) in [
        (0, &["auth_failed"][..], "authenticate"),
        (1, &["timeout"], "handshake"),
        (2, &["disconnected", "truncated"], "collect"),
        (3, &["refused"], "connect"),
    ] {
        let mut request = command(&lab.device(index).unwrap(), "show running-config");
        request["timeout"] = json!(20);
        let answer = place.execute(&request).await;
        assert_eq!((&answer["success"], &answer["result"]), (&json!(false), &json!("")), "{answer}");
        assert!(codes.contains(&answer["error_code"].as_str().unwrap()), "{answer}");
        assert_eq!(answer["details"]["phase"], phase, "{answer}");
        assert!(!answer["error"].as_str().unwrap().is_empty(), "{answer}");
        assert!(!answer["details"]["hint"].as_str().unwrap().is_empty(), "{answer}");
    }
    assert_eq!(place.status().await["failed_commands"], 4);
    place.stop().await;
    lab.shutdown().await;
}

#[tokio::test]
async fn the_callers_deadline_holds_whatever_the_device_does() {
    let place = Place::new().await;
    let lab = lab(&["frr"], |settings| settings.think_time = Duration::from_secs(30));
    let mut request = command(&lab.device(0).unwrap(), "show version");
    request["timeout"] = json!(2);
    let begin = Instant::now();
    let answer = place.execute(&request).await;
    assert_eq!(answer["error_code"], "timeout", "{answer}");
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    place.stop().await;
    lab.shutdown().await;
}

#[tokio::test]
async fn a_changed_host_key_is_refused_also_where_there_is_no_database() {
    let (place, lab) = (Place::new().await, lab(&["frr", "frr"], |_| {}));
    let first = place.execute(&command(&lab.device(0).unwrap(), "show version")).await;
    // The other device cannot show the first one's key.
    let mut request = command(&lab.device(1).unwrap(), "show version");
    request["host_keys"] = json!([first["host_key"]]);
    let answer = place.execute(&request).await;
    assert_eq!(answer["error_code"], "host_key_changed", "{answer}");
    // A second call of the first one knows its key, and learns none.
    let again = place.execute(&command(&lab.device(0).unwrap(), "show version")).await;
    assert_eq!((&again["success"], &again["host_key"]), (&json!(true), &json!(null)));
    place.stop().await;
    lab.shutdown().await;
}
