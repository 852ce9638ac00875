//! What is noted, what is not, and how much of it is kept.

use ac_cred_proto::message::{Done, List, Lock, Status};
use ac_cred_proto::time::Timestamp;
use ac_cred_proto::{Denial, ErrorCode};

use super::*;
use crate::clock::Now;

struct Still;

impl Clock for Still {
    fn now(&self) -> Now {
        Now {
            moment: Moment(1_000),
            wall: Timestamp::from_unix(1_790_000_000),
        }
    }
}

fn audit() -> Arc<Audit> {
    Arc::new(Audit::new(Arc::new(Still)))
}

fn lock_request() -> Request {
    Request::Lock(Lock {
        forget_memory: false,
    })
}

fn done() -> Answer {
    Answer::One(Response::Done(Done {}))
}

/// A page of a process that is not there.
fn page(audit: &Arc<Audit>, pid: u32) -> Page {
    audit.page(Caller {
        uid: Some(1_000),
        pid: Some(pid),
    })
}

fn entries(page: &Page) -> Vec<Audited> {
    let mut told = page.read(None);
    assert!(matches!(told.pop(), Some(Response::End(_))));
    told.into_iter()
        .map(|response| {
            let Response::Audited(audited) = response else {
                panic!("{response:?}");
            };
            *audited
        })
        .collect()
}

fn ask(page: &Page, request: &Request, answer: &Answer) {
    let question = page.question(request).expect("it is remembered");
    page.note(question, answer);
}

#[test]
fn who_asked_and_what_came_of_it_is_remembered() {
    let page = page(&audit(), u32::MAX);
    ask(&page, &lock_request(), &done());
    let denied = Denial::new(ErrorCode::Locked, "credentials are locked");
    ask(
        &page,
        &lock_request(),
        &Answer::One(Response::Denied(denied)),
    );
    let [first, second] = &entries(&page)[..] else {
        panic!("two were asked");
    };
    assert_eq!(first.request, Asked::Lock);
    assert_eq!((first.uid, first.pid), (Some(1_000), Some(u32::MAX)));
    assert_eq!(first.outcome, Outcome::Ok);
    assert_eq!(second.outcome, Outcome::Failed(ErrorCode::Locked));
    assert_eq!(second.at, Timestamp::from_unix(1_790_000_000));
}

#[test]
fn what_changes_nothing_is_not_remembered() {
    let page = page(&audit(), u32::MAX);
    for request in [
        Request::List(List {}),
        Request::Status(Status { organization: None }),
    ] {
        assert!(page.question(&request).is_none());
    }
}

#[test]
fn the_same_of_the_same_process_is_counted() {
    let audit = audit();
    let (first, second) = (page(&audit, u32::MAX), page(&audit, u32::MAX - 1));
    for _ in 0..100 {
        ask(&first, &lock_request(), &done());
        ask(&second, &lock_request(), &done());
    }
    let told = entries(&first);
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|entry| entry.times == 100));
}

#[test]
fn the_oldest_is_forgotten_first() {
    let audit = audit();
    let kept = u32::try_from(REMEMBERED).unwrap();
    for pid in 0..kept + 10 {
        let page = audit.page(Caller {
            uid: None,
            pid: Some(u32::MAX - pid),
        });
        ask(&page, &lock_request(), &done());
    }
    let told = entries(&page(&audit, 1));
    assert_eq!(told.len(), REMEMBERED);
    assert_eq!(told[0].pid, Some(u32::MAX - 10));
}
