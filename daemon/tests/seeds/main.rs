//! The seeds of the daemon's fuzz targets, met without libFuzzer.

#[path = "../../../fuzz/subjects/answer.rs"]
mod answer;
#[path = "../../../fuzz/subjects/certificate.rs"]
mod certificate;
#[path = "../../../fuzz/subjects/connection.rs"]
mod connection;
#[path = "../../../fuzz/subjects/dispatcher.rs"]
mod dispatcher;
#[path = "../../../fuzz/subjects/frame.rs"]
mod frame;
#[path = "../../../fuzz/subjects/helper.rs"]
mod helper;
#[path = "../../../fuzz/subjects/jwt.rs"]
mod jwt;
#[path = "../../../fuzz/seeds/meeting.rs"]
mod meeting;
#[path = "../../../fuzz/subjects/project_file.rs"]
mod project_file;
#[path = "../../../fuzz/subjects/record.rs"]
mod record;
#[path = "../../../fuzz/subjects/settings.rs"]
mod settings;

use meeting::meet;

#[test]
fn answers_of_the_auth_api_are_read_without_harm() {
    meet("answer", answer::run);
}

#[test]
fn certificates_are_read_without_harm() {
    meet("certificate", certificate::run);
}

#[test]
fn every_connection_ends_and_is_answered_in_whole_messages() {
    meet("connection", connection::run);
}

#[test]
fn every_call_to_the_dispatcher_is_answered() {
    meet("dispatcher", dispatcher::run);
}

#[test]
fn messages_come_out_as_they_went_in() {
    meet("frame", frame::run);
}

#[test]
fn what_other_programs_print_is_read_without_harm() {
    meet("helper", helper::run);
}

#[test]
fn claims_of_any_token_are_read_without_harm() {
    meet("jwt", jwt::run);
}

#[test]
fn a_file_that_chooses_an_organization_is_read_without_harm() {
    meet("project_file", project_file::run);
}

#[test]
fn records_of_the_encrypted_file_are_read_without_harm() {
    meet("record", record::run);
}

#[test]
fn settings_are_read_without_harm() {
    meet("settings", settings::run);
}
