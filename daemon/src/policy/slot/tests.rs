//! Every rule of a token's life as a sentence.

use ac_cred_proto::ErrorCode;
use ac_cred_proto::message::{LastExchange, Outcome, Warning};

use super::*;

mod model;

const HOUR: u64 = 3_600;
const MINUTE: u64 = 60;

/// What a caller sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Saw {
    Token,
    TokenAndWarning,
    Denied(ErrorCode),
    Waits,
}

use Saw::{Denied, Token, TokenAndWarning, Waits};

impl From<&Decision> for Saw {
    fn from(decision: &Decision) -> Self {
        match decision {
            Decision::Serve(None) => Token,
            Decision::Serve(Some(_)) => TokenAndWarning,
            Decision::Deny(denial) => Denied(denial.error),
            Decision::Wait => Waits,
        }
    }
}

/// A slot, a clock that the test turns, and numbers for callers and exchanges.
#[derive(Default)]
struct Bench {
    slot: Slot,
    now: Moment,
    tickets: u64,
    attempts: u64,
    tokens: u64,
}

impl Bench {
    /// A slot that holds a token of `life` seconds that is `age` seconds old.
    fn with_token(life: u64, age: u64) -> Self {
        let mut bench = Self::default();
        bench.install(life);
        bench.pass(Span::seconds(age));
        bench
    }

    /// A slot whose credential was refused while a token of `life` seconds was `age` seconds old.
    fn refused_with_token(life: u64, age: u64) -> Self {
        let mut bench = Self::with_token(life, age);
        bench.asks(new(0));
        bench.exchanges(Err(refused()));
        bench
    }

    /// A slot whose last exchange failed in a passing way, with the longest pause of its own.
    fn failed_with_token(life: u64, age: u64) -> Self {
        let mut bench = Self::with_token(life, age);
        bench.asks(new(0));
        bench.exchanges(Err(transient()));
        bench
    }

    fn pass(&mut self, span: Span) {
        self.now = self.now.after(span);
    }

    fn at(&self) -> (Moment, Timestamp) {
        (self.now, Timestamp::from_unix(self.now.0 / 1_000))
    }

    fn grant(&mut self, life: u64) -> Grant {
        self.tokens += 1;
        Grant {
            token: SessionToken::parse(&format!("token-{}", self.tokens)).unwrap(),
            organization_id: None,
            life: Span::seconds(life),
            expires_at: Timestamp::from_unix(self.now.0 / 1_000 + life),
        }
    }

    fn caller(&mut self, need: Need, wait: Span) -> Caller {
        self.tickets += 1;
        Caller {
            ticket: Ticket(self.tickets),
            need,
            deadline: self.now.after(wait),
            asked: self.now,
        }
    }

    fn decides(&mut self, need: Need, wait: Span) -> Decision {
        let caller = self.caller(need, wait);
        self.slot.ask(caller, self.now)
    }

    /// Asks with the usual patience of 8 seconds.
    fn asks(&mut self, need: Need) -> Saw {
        Saw::from(&self.decides(need, Span::seconds(8)))
    }

    fn rejects(&mut self, token: Option<&str>) -> Saw {
        let token = token.map(|token| SessionToken::parse(token).unwrap());
        let caller = self.caller(Need::Wish, Span::seconds(8));
        Saw::from(&self.slot.reject(token.as_ref(), caller, self.now))
    }

    fn wants_exchange(&self) -> bool {
        self.slot.wants_exchange(self.now)
    }

    fn begin(&mut self) -> Attempt {
        assert!(self.wants_exchange(), "no exchange is wanted");
        self.attempts += 1;
        self.slot.begin(Attempt(self.attempts));
        Attempt(self.attempts)
    }

    fn settle(&mut self, attempt: Attempt, result: Result<u64, Failure>) -> Vec<Saw> {
        let result = result.map(|life| self.grant(life));
        saw(&self.slot.settle(attempt, result, self.at(), 1.0))
    }

    /// Begins the exchange that is wanted, and ends it at once.
    fn exchanges(&mut self, result: Result<u64, Failure>) -> Vec<Saw> {
        let attempt = self.begin();
        self.settle(attempt, result)
    }

    fn install(&mut self, life: u64) -> Vec<Saw> {
        let grant = self.grant(life);
        saw(&self.slot.install(grant, self.at()))
    }

    fn ticks(&mut self) -> Vec<Saw> {
        saw(&self.slot.tick(self.now, &unanswered()))
    }

    fn held(&self) -> Option<&str> {
        self.slot.held(self.now).map(|held| held.token.expose())
    }

    /// How long it is until the slot wants to be asked again.
    fn wakes_in(&self) -> Option<Span> {
        self.slot.next_wakeup().map(|due| self.now.until(due))
    }
}

fn saw(answers: &Answers) -> Vec<Saw> {
    answers
        .0
        .iter()
        .map(|(_, decision)| decision.into())
        .collect()
}

fn life(seconds: u64) -> Need {
    Need::Life(Span::seconds(seconds))
}

fn new(seconds: u64) -> Need {
    Need::New(Span::seconds(seconds))
}

fn transient() -> Failure {
    Failure::Transient(Denial::new(ErrorCode::AuthApiBadAnswer, "nonsense"), None)
}

fn limited(seconds: u64) -> Failure {
    let denial = Denial::new(ErrorCode::RateLimited, "too many");
    Failure::Transient(denial, Some(Span::seconds(seconds)))
}

fn refused() -> Failure {
    Failure::Refused(Denial::new(ErrorCode::CredentialRefused, "revoked"))
}

fn locked() -> Failure {
    Failure::Here(Denial::new(ErrorCode::Locked, "locked"))
}

fn unanswered() -> Denial {
    Denial::new(ErrorCode::AuthApiUnreachable, "no answer in time")
}

fn logged_out() -> Denial {
    Denial::new(ErrorCode::LoginRequired, "logged out")
}

/// A caller that asked before an exchange, which ended so on its way to another daemon.
fn check_missed(result: &Result<u64, Failure>, sees: &[(Need, Saw)]) {
    for (need, saw) in sees {
        let mut bench = Bench::with_token(3_600, 3_500);
        bench.pass(Span::seconds(2));
        let caller = bench.caller(*need, Span::seconds(8));
        bench.pass(Span(1));
        bench.asks(new(0));
        bench.exchanges(result.clone());
        bench.slot = Slot::from(Carried::from(&bench.slot));
        let decision = bench.slot.ask(caller, bench.now);
        assert_eq!(Saw::from(&decision), *saw, "{need:?} after {result:?}");
        assert!(!bench.wants_exchange(), "{need:?} after {result:?}");
    }
}

#[test]
fn who_waited_in_another_daemon_gets_what_it_waited_for_and_no_second_exchange() {
    let too_short = Denied(ErrorCode::TokenTooShort);
    check_missed(
        &Ok(600),
        &[
            (Need::Wish, Token),
            (Need::Other, Token),
            (new(0), Token),
            (new(700), too_short),
            (life(700), too_short),
        ],
    );
    let failed = Denied(ErrorCode::AuthApiBadAnswer);
    let sees = [(Need::Wish, Token), (Need::Other, failed), (new(0), failed)];
    check_missed(&Err(transient()), &sees);
    let refusal = Denied(ErrorCode::CredentialRefused);
    let sees = [(Need::Wish, TokenAndWarning), (new(0), refusal)];
    check_missed(&Err(refused()), &sees);
}

/// A caller asks for a token of a given life and age: what it sees, and whether an exchange follows.
fn check_asking((life, age): (u64, u64), need: Need, sees: Saw, exchanges: bool) {
    let mut bench = Bench::with_token(life, age);
    let given = format!("a token of {life} s that is {age} s old, asked for {need:?}");
    assert_eq!(bench.asks(need), sees, "{given}");
    assert_eq!(bench.wants_exchange(), exchanges, "{given}");
}

#[test]
fn a_fresh_token_is_served_without_an_exchange() {
    for age in [0, 1, 1_799, 2_700] {
        check_asking((HOUR, age), Need::Wish, Token, false);
        check_asking((HOUR, age), life(900), Token, false);
        check_asking((HOUR, age), Need::Other, Token, false);
    }
}

#[test]
fn a_token_in_its_last_quarter_is_served_at_once_and_renewed_behind() {
    check_asking((HOUR, 2_700), Need::Wish, Token, false);
    for age in [2_701, 3_000, 3_300] {
        check_asking((HOUR, age), Need::Wish, Token, true);
        check_asking((HOUR, age), life(300), Token, true);
        check_asking((HOUR, age), Need::Other, Token, true);
    }
}

#[test]
fn a_token_with_less_than_the_wished_life_is_waited_for() {
    check_asking((HOUR, 3_300), Need::Wish, Token, true);
    check_asking((HOUR, 3_301), Need::Wish, Waits, true);
    check_asking((HOUR, 3_599), Need::Wish, Waits, true);
}

#[test]
fn the_wish_is_at_most_half_of_a_short_tokens_life() {
    check_asking((60, 30), Need::Wish, Token, false);
    check_asking((60, 31), Need::Wish, Waits, true);
    check_asking((2, 1), Need::Wish, Token, false);
}

#[test]
fn an_expired_token_is_never_served() {
    for need in [Need::Wish, life(0), life(1), new(0), Need::Other] {
        check_asking((HOUR, HOUR), need, Waits, true);
        check_asking((HOUR, 8 * HOUR), need, Waits, true);
        check_asking((1, 1), need, Waits, true);
    }
}

#[test]
fn an_empty_slot_makes_every_caller_wait_for_one_exchange() {
    let mut bench = Bench::default();
    for need in [Need::Wish, life(60), new(0), Need::Other] {
        assert_eq!(bench.asks(need), Waits);
    }
    assert_eq!(bench.exchanges(Ok(HOUR)), vec![Token; 4]);
    assert!(!bench.wants_exchange());
}

#[test]
fn a_demanded_life_is_served_to_the_second_and_never_below() {
    check_asking((HOUR, 600), life(3_000), Token, false);
    check_asking((HOUR, 601), life(3_000), Waits, true);
    check_asking((HOUR, 3_599), life(1), Token, true);
    check_asking((HOUR, 3_599), life(2), Waits, true);
}

#[test]
fn a_life_that_no_token_has_is_refused_without_asking_again_and_again() {
    let mut bench = Bench::default();
    assert_eq!(bench.asks(life(2 * HOUR)), Waits);
    assert_eq!(
        bench.exchanges(Ok(HOUR)),
        [Denied(ErrorCode::TokenTooShort)]
    );
    for _ in 0..100 {
        bench.pass(Span::seconds(20));
        assert_eq!(bench.asks(life(2 * HOUR)), Denied(ErrorCode::TokenTooShort));
        assert!(!bench.wants_exchange());
    }
    assert_eq!(bench.asks(Need::Wish), Token, "others are served");
}

#[test]
fn a_life_that_no_token_had_is_tried_again_once_the_token_is_stale() {
    let mut bench = Bench::with_token(HOUR, 2_701);
    assert_eq!(bench.asks(life(2 * HOUR)), Waits);
    assert_eq!(bench.exchanges(Ok(3 * HOUR)), [Token]);
}

#[test]
fn the_refusal_of_a_life_names_both_lives() {
    let mut bench = Bench::with_token(HOUR, 0);
    let Decision::Deny(denial) = bench.decides(life(7_200), Span::seconds(8)) else {
        panic!("it was not refused");
    };
    assert!(
        denial.message.contains("3600") && denial.message.contains("7200"),
        "{denial}"
    );
}

#[test]
fn a_demand_for_a_new_token_is_never_met_with_an_old_one() {
    check_asking((HOUR, 0), new(0), Waits, false);
    check_asking((HOUR, 1), new(0), Waits, true);
    let mut bench = Bench::with_token(HOUR, 1);
    assert_eq!(bench.asks(new(0)), Waits);
    assert_eq!(bench.exchanges(Ok(HOUR)), [Token]);
    assert_eq!(bench.held(), Some("token-2"));
}

#[test]
fn a_new_token_with_too_little_life_is_refused_to_those_who_demanded_more() {
    let mut bench = Bench::default();
    for need in [new(61), life(61), new(60), life(60), Need::Wish] {
        bench.asks(need);
    }
    let short = || Denied(ErrorCode::TokenTooShort);
    assert_eq!(
        bench.exchanges(Ok(60)),
        [short(), short(), Token, Token, Token]
    );
}

/// A caller waits for an exchange that fails: what it sees.
fn check_failing((life, age): (u64, u64), need: Need, failure: Failure, sees: Saw) {
    let mut bench = Bench::with_token(life, age);
    let given = format!("a token of {life} s that is {age} s old, asked for {need:?}, {failure:?}");
    assert_eq!(bench.asks(need), Waits, "{given}");
    assert_eq!(bench.exchanges(Err(failure)), [sees], "{given}");
}

#[test]
fn a_wish_is_met_with_thirty_seconds_when_renewing_fails_in_passing() {
    for failure in [transient, || limited(5), locked] {
        let why = || Denied(failure().denial().error);
        check_failing((HOUR, 3_301), Need::Wish, failure(), Token);
        check_failing((HOUR, 3_570), Need::Wish, failure(), Token);
        check_failing((HOUR, 3_571), Need::Wish, failure(), why());
        check_failing((HOUR, HOUR), Need::Wish, failure(), why());
    }
}

#[test]
fn a_demand_never_falls_back_when_renewing_fails() {
    for failure in [transient, || limited(5), locked, refused] {
        let why = || Denied(failure().denial().error);
        check_failing((HOUR, 3_300), life(301), failure(), why());
        check_failing((HOUR, 1), new(0), failure(), why());
        check_failing((HOUR, 1), new(60), failure(), why());
    }
}

#[test]
fn any_living_token_is_served_with_a_warning_when_its_credential_is_refused() {
    check_failing((HOUR, 3_301), Need::Wish, refused(), TokenAndWarning);
    check_failing((HOUR, 3_599), Need::Wish, refused(), TokenAndWarning);
    check_failing(
        (HOUR, HOUR),
        Need::Wish,
        refused(),
        Denied(ErrorCode::CredentialRefused),
    );
}

/// A caller asks after the credential was refused: what it sees; no exchange may follow.
fn check_refused((life, age): (u64, u64), need: Need, sees: Saw) {
    let mut bench = Bench::refused_with_token(life, age);
    bench.pass(Span::seconds(5));
    assert_eq!(
        bench.asks(need),
        sees,
        "a token of {life} s, {age} s old, asked for {need:?}"
    );
    assert!(!bench.wants_exchange() && bench.wakes_in().is_none());
}

#[test]
fn a_refused_credential_is_not_asked_again() {
    let refusal = || Denied(ErrorCode::CredentialRefused);
    check_refused((HOUR, 1), Need::Wish, TokenAndWarning);
    check_refused((HOUR, 3_594), Need::Wish, TokenAndWarning);
    check_refused((HOUR, 3_595), Need::Wish, refusal());
    check_refused((HOUR, 1), life(60), TokenAndWarning);
    check_refused((HOUR, 1), life(3_595), refusal());
    check_refused((HOUR, 1), life(2 * HOUR), refusal());
    check_refused((HOUR, 1), Need::Other, TokenAndWarning);
    check_refused((HOUR, HOUR), Need::Other, refusal());
}

#[test]
fn a_refusal_lasts_however_long_nobody_logs_in() {
    let mut bench = Bench::refused_with_token(HOUR, 1);
    for _ in 0..50 {
        bench.pass(Span::seconds(HOUR));
        assert!(bench.ticks().is_empty());
        assert_eq!(bench.asks(Need::Wish), Denied(ErrorCode::CredentialRefused));
        assert!(!bench.wants_exchange());
    }
}

#[test]
fn a_rejected_token_of_a_refused_credential_is_gone_and_nothing_replaces_it() {
    let mut bench = Bench::refused_with_token(HOUR, 1);
    assert_eq!(
        bench.rejects(Some("token-1")),
        Denied(ErrorCode::CredentialRefused)
    );
    assert_eq!(bench.held(), None);
    assert!(!bench.wants_exchange());
}

#[test]
fn a_person_who_demands_a_new_token_has_a_refused_credential_asked_once_more() {
    let mut bench = Bench::refused_with_token(HOUR, 1);
    bench.pass(Span::seconds(1));
    assert_eq!(bench.asks(new(0)), Waits);
    assert_eq!(
        bench.exchanges(Err(refused())),
        [Denied(ErrorCode::CredentialRefused)]
    );
    bench.pass(Span::seconds(1));
    assert_eq!(bench.asks(Need::Wish), TokenAndWarning);
    assert!(!bench.wants_exchange());
    assert_eq!(bench.asks(new(0)), Waits);
    assert_eq!(bench.exchanges(Ok(HOUR)), [Token]);
    assert_eq!(bench.asks(Need::Wish), Token);
}

#[test]
fn a_new_login_and_changed_settings_lift_a_refusal() {
    let mut bench = Bench::refused_with_token(HOUR, 1);
    bench.install(HOUR);
    assert_eq!(bench.asks(Need::Wish), Token);

    let mut bench = Bench::refused_with_token(HOUR, 1);
    bench.pass(Span::seconds(1));
    bench.slot.reconsider(bench.now);
    assert_eq!(bench.held(), None);
    assert_eq!(bench.asks(Need::Wish), Waits);
    assert!(bench.wants_exchange());
}

#[test]
fn changed_settings_end_a_pause_but_not_the_second_after_an_exchange() {
    let mut bench = Bench::default();
    bench.asks(Need::Wish);
    bench.exchanges(Err(limited(600)));
    bench.slot.reconsider(bench.now);
    assert_eq!(bench.asks(Need::Wish), Waits);
    assert_eq!(bench.wakes_in(), Some(Span::seconds(1)));
}

#[test]
fn a_refusal_ends_renewing_behind_although_the_token_was_in_use_meanwhile() {
    let mut bench = Bench::with_token(HOUR, 3_000);
    assert_eq!(bench.asks(Need::Wish), Token);
    let attempt = bench.begin();
    assert_eq!(bench.asks(Need::Wish), Token);
    bench.settle(attempt, Err(refused()));
    bench.pass(Span::seconds(60));
    assert!(!bench.wants_exchange() && bench.wakes_in().is_none());
}

#[test]
fn a_rejected_token_is_dropped_and_replaced_by_one_exchange() {
    let mut bench = Bench::with_token(HOUR, 1);
    assert_eq!(bench.rejects(Some("token-1")), Waits);
    assert_eq!(bench.held(), None);
    assert_eq!(bench.exchanges(Ok(HOUR)), [Token]);
    assert_eq!(bench.held(), Some("token-2"));
}

#[test]
fn without_a_token_said_the_held_one_is_rejected() {
    let mut bench = Bench::with_token(HOUR, 1);
    assert_eq!(bench.rejects(None), Waits);
    assert_eq!(bench.held(), None);
}

#[test]
fn rejects_one_after_the_other_share_one_exchange() {
    let mut bench = Bench::with_token(HOUR, 1);
    let rejecting = |bench: &mut Bench, at: &[u64]| {
        for _ in at {
            bench.pass(Span(100));
            assert_eq!(bench.rejects(Some("token-1")), Waits);
        }
    };
    rejecting(&mut bench, &[1, 2, 3]);
    let attempt = bench.begin();
    rejecting(&mut bench, &[4, 5, 6]);
    assert_eq!(bench.settle(attempt, Ok(HOUR)), vec![Token; 6]);
    assert_eq!(
        bench.rejects(Some("token-1")),
        Token,
        "it is already replaced"
    );
    assert_eq!(bench.held(), Some("token-2"));
    assert!(!bench.wants_exchange());
}

#[test]
fn a_rejected_token_that_is_not_the_held_one_costs_nothing() {
    let mut bench = Bench::with_token(HOUR, 1);
    assert_eq!(bench.rejects(Some("from-another-daemon")), Token);
    assert_eq!(bench.held(), Some("token-1"));
    assert!(!bench.wants_exchange());
}

#[test]
fn a_reject_while_renewing_behind_joins_that() {
    let mut bench = Bench::with_token(HOUR, 3_000);
    assert_eq!(bench.asks(Need::Wish), Token);
    let attempt = bench.begin();
    assert_eq!(bench.rejects(Some("token-1")), Waits);
    assert_eq!(
        bench.asks(Need::Wish),
        Waits,
        "the rejected token is not served meanwhile"
    );
    assert!(!bench.wants_exchange());
    assert_eq!(bench.settle(attempt, Ok(HOUR)), [Token, Token]);
}

#[test]
fn a_rejected_token_is_not_served_when_renewing_fails() {
    let mut bench = Bench::with_token(HOUR, 1);
    bench.rejects(Some("token-1"));
    bench.asks(Need::Wish);
    let bad = || Denied(ErrorCode::AuthApiBadAnswer);
    assert_eq!(bench.exchanges(Err(transient())), [bad(), bad()]);
    assert_eq!(bench.held(), None);
}

#[test]
fn a_second_lies_between_the_end_of_an_exchange_and_the_next_one() {
    for result in [Ok(1), Ok(HOUR), Err(transient()), Err(refused())] {
        let mut bench = Bench::default();
        bench.asks(Need::Wish);
        bench.exchanges(result.clone());
        assert_eq!(bench.asks(new(0)), Waits, "{result:?}");
        let mut waited = Span(0);
        while !bench.wants_exchange() {
            bench.pass(Span(1));
            waited.0 += 1;
        }
        assert!(waited >= Span::seconds(1), "{result:?}: {waited:?}");
    }
}

#[test]
fn the_second_is_counted_from_the_end_of_a_slow_exchange() {
    let mut bench = Bench::default();
    bench.asks(Need::Wish);
    let attempt = bench.begin();
    bench.pass(Span::seconds(20));
    bench.settle(attempt, Ok(HOUR));
    assert_eq!(bench.asks(new(0)), Waits);
    assert_eq!(bench.wakes_in(), Some(Span::seconds(1)));
}

#[test]
fn an_hour_of_tokens_that_live_a_second_costs_one_exchange_a_second() {
    let mut bench = Bench::default();
    let mut exchanges = 0;
    for _ in 0..36_000 {
        bench.pass(Span(100));
        bench.asks(Need::Wish);
        if bench.wants_exchange() {
            exchanges += 1;
            bench.exchanges(Ok(1));
        }
    }
    assert!((3_000..=3_600).contains(&exchanges), "{exchanges}");
}

#[test]
fn what_failed_here_may_be_tried_again_at_once() {
    let mut bench = Bench::default();
    bench.asks(Need::Wish);
    assert_eq!(bench.exchanges(Err(locked())), [Denied(ErrorCode::Locked)]);
    assert_eq!(
        bench.slot.ended().map(Ended::told),
        None,
        "nothing was sent"
    );
    assert_eq!(bench.asks(Need::Wish), Waits);
    assert_eq!(bench.exchanges(Ok(HOUR)), [Token]);
}

#[test]
fn pauses_double_with_each_failure_and_end_with_a_success() {
    let mut bench = Bench::default();
    for pause in [2, 4, 8, 16, 32, 60, 60] {
        bench.decides(Need::Wish, Span::seconds(100));
        bench.exchanges(Err(transient()));
        bench.decides(Need::Wish, Span::seconds(100));
        assert_eq!(bench.wakes_in(), Some(Span::seconds(pause)));
        bench.pass(Span::seconds(pause));
    }
    bench.exchanges(Ok(1));
    bench.pass(Span::seconds(1));
    bench.asks(Need::Wish);
    bench.exchanges(Err(transient()));
    bench.asks(Need::Wish);
    assert_eq!(bench.wakes_in(), Some(Span::seconds(2)));
}

#[test]
fn a_pause_that_the_server_asked_for_is_kept() {
    let mut bench = Bench::default();
    bench.asks(Need::Wish);
    bench.exchanges(Err(limited(120)));
    bench.pass(Span::seconds(119));
    assert_eq!(bench.asks(Need::Wish), Waits);
    assert!(!bench.wants_exchange());
    bench.pass(Span::seconds(1));
    assert!(bench.wants_exchange());
}

#[test]
fn who_cannot_wait_for_the_end_of_a_pause_is_told_the_true_reason_at_once() {
    let mut bench = Bench::default();
    bench.asks(Need::Wish);
    bench.exchanges(Err(limited(120)));
    bench.pass(Span(20_500));
    for need in [Need::Wish, life(60), new(0), Need::Other] {
        let Decision::Deny(denial) = bench.decides(need, Span::seconds(8)) else {
            panic!("{need:?} was not refused");
        };
        assert_eq!(
            (denial.error, denial.retry_after),
            (ErrorCode::RateLimited, Some(100))
        );
    }
    assert_eq!(
        Saw::from(&bench.decides(Need::Wish, Span::seconds(100))),
        Waits
    );
}

#[test]
fn during_a_pause_a_wish_is_met_at_once_with_thirty_seconds() {
    let mut bench = Bench::failed_with_token(HOUR, 3_500);
    assert_eq!(bench.asks(Need::Wish), Token);
    assert_eq!(bench.asks(life(200)), Waits);
    assert_eq!(bench.asks(new(0)), Waits);
    let mut bench = Bench::failed_with_token(HOUR, 3_571);
    assert_eq!(bench.asks(Need::Wish), Waits);
}

#[test]
fn a_failure_of_before_is_not_told_once_the_credential_was_refused() {
    let mut bench = Bench::failed_with_token(HOUR, HOUR);
    bench.pass(Span::seconds(2));
    bench.asks(Need::Wish);
    bench.exchanges(Err(refused()));
    let short = bench.decides(new(0), Span(500));
    assert_ne!(Saw::from(&short), Denied(ErrorCode::AuthApiBadAnswer));
    bench.pass(Span(500));
    assert!(!bench.ticks().contains(&Denied(ErrorCode::AuthApiBadAnswer)));
}

/// A caller's deadline comes while an exchange is under way: what it sees.
fn check_late((life, age): (u64, u64), need: Need, sees: &[Saw]) {
    let mut bench = Bench::with_token(life, age);
    bench.asks(need);
    bench.begin();
    bench.pass(Span(7_999));
    assert!(bench.ticks().is_empty());
    assert_eq!(bench.wakes_in(), Some(Span(1)));
    bench.pass(Span(1));
    assert_eq!(
        bench.ticks(),
        sees,
        "a token of {life} s, {age} s old, asked for {need:?}"
    );
    assert!(bench.ticks().is_empty(), "nobody is answered twice");
}

#[test]
fn at_its_deadline_a_caller_has_the_true_reason_or_a_token_with_thirty_seconds() {
    let late = || Denied(ErrorCode::AuthApiUnreachable);
    check_late((HOUR, 3_562), Need::Wish, &[Token]);
    check_late((HOUR, 3_563), Need::Wish, &[late()]);
    check_late((HOUR, 3_400), life(250), &[late()]);
    check_late((HOUR, 1), new(0), &[late()]);
    check_late((HOUR, HOUR), Need::Wish, &[late()]);
}

#[test]
fn at_a_deadline_within_a_pause_the_failure_is_the_reason() {
    let mut bench = Bench::failed_with_token(HOUR, HOUR);
    bench.decides(life(1), Span::seconds(2));
    bench.pass(Span::seconds(2));
    assert_eq!(bench.ticks(), [Denied(ErrorCode::AuthApiBadAnswer)]);
}

#[test]
fn each_caller_is_answered_at_its_own_deadline() {
    let mut bench = Bench::default();
    for wait in [5, 1, 3, 1] {
        bench.decides(Need::Wish, Span::seconds(wait));
    }
    let attempt = bench.begin();
    for answered in [0, 0, 2, 0, 1] {
        assert_eq!(bench.ticks().len(), answered, "{:?}", bench.now);
        bench.pass(Span(750));
    }
    assert_eq!(bench.settle(attempt, Ok(HOUR)), [Token]);
}

#[test]
fn a_caller_who_leaves_cancels_nothing() {
    let mut bench = Bench::default();
    bench.decides(Need::Wish, Span::seconds(1));
    let attempt = bench.begin();
    bench.pass(Span::seconds(2));
    bench.ticks();
    assert_eq!(bench.settle(attempt, Ok(HOUR)), []);
    assert_eq!(bench.asks(Need::Wish), Token);
}

#[test]
fn after_a_night_of_sleep_the_first_caller_has_a_new_token() {
    let mut bench = Bench::with_token(HOUR, 60);
    bench.pass(Span::seconds(8 * HOUR));
    assert_eq!(bench.asks(Need::Wish), Waits);
    assert_eq!(bench.exchanges(Ok(HOUR)), [Token]);
    assert_eq!(bench.held(), Some("token-2"));
}

#[test]
fn a_night_of_sleep_ends_every_pause() {
    let mut bench = Bench::default();
    bench.asks(Need::Wish);
    bench.exchanges(Err(limited(600)));
    bench.pass(Span::seconds(8 * HOUR));
    assert_eq!(bench.asks(Need::Wish), Waits);
    assert!(bench.wants_exchange());
}

#[test]
fn a_token_renewed_behind_is_there_for_the_next_caller() {
    let mut bench = Bench::with_token(HOUR, 3_000);
    assert_eq!(bench.asks(Need::Wish), Token);
    assert_eq!(bench.exchanges(Ok(HOUR)), [], "nobody waits for it");
    assert_eq!(bench.held(), Some("token-2"));
    assert!(!bench.wants_exchange());
}

#[test]
fn renewing_behind_goes_on_only_while_the_token_is_in_use() {
    let mut bench = Bench::with_token(HOUR, 3_000);
    bench.asks(Need::Wish);
    bench.exchanges(Err(transient()));
    assert_eq!(bench.wakes_in(), None, "nobody has asked since");
    assert_eq!(bench.asks(Need::Wish), Token);
    assert_eq!(bench.wakes_in(), Some(Span::seconds(2)), "after the pause");
}

#[test]
fn a_failure_behind_a_callers_back_is_not_told_to_those_whom_the_token_serves() {
    let mut bench = Bench::with_token(HOUR, 3_000);
    bench.asks(Need::Wish);
    bench.exchanges(Err(refused()));
    assert_eq!(bench.asks(Need::Wish), TokenAndWarning);
    let mut bench = Bench::with_token(HOUR, 3_000);
    bench.asks(Need::Wish);
    bench.exchanges(Err(transient()));
    assert_eq!(bench.asks(Need::Wish), Token);
}

#[test]
fn a_result_after_a_logout_is_discarded() {
    let mut bench = Bench::default();
    bench.asks(Need::Wish);
    let attempt = bench.begin();
    assert_eq!(
        saw(&bench.slot.forget(&logged_out(), bench.now)),
        [Denied(ErrorCode::LoginRequired)]
    );
    assert_eq!(bench.settle(attempt, Ok(HOUR)), []);
    assert_eq!(bench.held(), None);
}

#[test]
fn a_result_of_the_old_credential_after_a_login_is_discarded() {
    for late in [Ok(HOUR), Err(refused()), Err(transient())] {
        let mut bench = Bench::default();
        bench.asks(Need::Wish);
        let attempt = bench.begin();
        assert_eq!(bench.install(HOUR), [Token]);
        assert_eq!(bench.settle(attempt, late), []);
        assert_eq!(bench.held(), Some("token-1"));
        assert_eq!(bench.asks(Need::Wish), Token);
        assert!(!bench.wants_exchange());
    }
}

#[test]
fn a_result_for_settings_of_before_is_discarded_and_those_who_wait_get_the_next() {
    let mut bench = Bench::default();
    bench.asks(Need::Wish);
    let old = bench.begin();
    bench.slot.reconsider(bench.now);
    bench.pass(Span::seconds(1));
    let next = bench.begin();
    assert_eq!(bench.settle(old, Err(refused())), []);
    assert_eq!(bench.settle(next, Ok(HOUR)), [Token]);
}

#[test]
fn an_exchange_that_was_superseded_keeps_the_next_one_away_for_a_second() {
    let supersede: [fn(&mut Bench); 2] = [
        |bench| bench.slot.reconsider(bench.now),
        |bench| drop(bench.slot.forget(&logged_out(), bench.now)),
    ];
    for supersede in supersede {
        let mut bench = Bench::default();
        bench.asks(Need::Wish);
        let old = bench.begin();
        supersede(&mut bench);
        bench.asks(Need::Wish);
        assert!(
            !bench.wants_exchange(),
            "the superseded one was under way just now"
        );
        bench.pass(Span(900));
        bench.settle(old, Ok(HOUR));
        assert!(!bench.wants_exchange(), "the superseded one has just ended");
        bench.pass(Span::seconds(1));
        assert!(bench.wants_exchange());
    }
}

#[test]
fn a_result_that_nobody_ordered_changes_nothing() {
    let mut bench = Bench::with_token(HOUR, 1);
    assert_eq!(bench.settle(Attempt(99), Err(refused())), []);
    assert_eq!(bench.asks(Need::Wish), Token);
}

#[test]
fn after_a_logout_nothing_is_known() {
    let mut bench = Bench::refused_with_token(HOUR, 1);
    bench.slot.forget(&logged_out(), bench.now);
    assert_eq!(bench.held(), None);
    assert!(bench.slot.is_idle());
    bench.pass(Span::seconds(1));
    assert_eq!(bench.asks(Need::Wish), Waits);
    assert!(bench.wants_exchange(), "the refusal is forgotten");
}

#[test]
fn a_login_answers_those_who_wait_by_their_needs() {
    let mut bench = Bench::default();
    for need in [Need::Wish, new(60), life(2 * HOUR)] {
        bench.asks(need);
    }
    assert_eq!(
        bench.install(HOUR),
        [Token, Token, Denied(ErrorCode::TokenTooShort)]
    );
}

#[test]
fn logins_take_places_a_second_apart() {
    let mut bench = Bench::default();
    assert_eq!(bench.slot.reserve(bench.now), Span(0));
    assert_eq!(bench.slot.reserve(bench.now), Span::seconds(1));
    assert_eq!(bench.slot.reserve(bench.now), Span::seconds(2));
    bench.asks(Need::Wish);
    assert_eq!(bench.wakes_in(), Some(Span::seconds(3)));
}

#[test]
fn an_exchange_that_ends_frees_no_place_that_a_login_has_taken() {
    for result in [Ok(1), Err(transient()), Err(refused())] {
        let mut bench = Bench::default();
        bench.asks(Need::Wish);
        let attempt = bench.begin();
        for _ in 0..5 {
            bench.slot.reserve(bench.now);
        }
        bench.settle(attempt, result.clone());
        bench.asks(new(0));
        assert_eq!(bench.wakes_in(), Some(Span::seconds(5)), "{result:?}");
    }
}

#[test]
fn a_login_may_be_tried_during_a_pause() {
    let mut bench = Bench::default();
    bench.asks(Need::Wish);
    bench.exchanges(Err(limited(600)));
    assert_eq!(bench.slot.reserve(bench.now), Span::seconds(1));
}

#[test]
fn the_last_exchange_is_told_with_its_outcome_and_time() {
    let mut bench = Bench::default();
    assert_eq!(bench.slot.ended().map(Ended::told), None);
    for (result, outcome) in [
        (Ok(HOUR), Outcome::Ok),
        (
            Err(transient()),
            Outcome::Failed(ErrorCode::AuthApiBadAnswer),
        ),
        (
            Err(refused()),
            Outcome::Failed(ErrorCode::CredentialRefused),
        ),
    ] {
        bench.pass(Span::seconds(MINUTE));
        bench.asks(new(0));
        bench.exchanges(result);
        let at = bench.at().1;
        assert_eq!(
            bench.slot.ended().map(Ended::told),
            Some(LastExchange { at, outcome })
        );
        let error = bench.slot.ended().and_then(|ended| ended.error.as_ref());
        let error = error.map(|denial| denial.error);
        assert_eq!(error.map_or(Outcome::Ok, Outcome::Failed), outcome);
    }
}

#[test]
fn a_slot_is_idle_when_nothing_is_held_remembered_or_under_way() {
    let mut bench = Bench::default();
    assert!(bench.slot.is_idle());
    bench.asks(Need::Wish);
    assert!(!bench.slot.is_idle(), "somebody waits");
    let attempt = bench.begin();
    bench.pass(Span::seconds(8));
    bench.ticks();
    assert!(!bench.slot.is_idle(), "an exchange is under way");
    bench.settle(attempt, Ok(60));
    assert!(!bench.slot.is_idle(), "a token is held");
    bench.slot.drop_expired(bench.now.after(Span::seconds(60)));
    assert!(bench.slot.is_idle());
    assert!(
        !Bench::refused_with_token(1, 1).slot.is_idle(),
        "a refusal is remembered"
    );
}

#[test]
fn a_slot_that_nobody_asks_wants_nothing() {
    assert_eq!(Bench::default().wakes_in(), None);
    assert_eq!(Bench::with_token(HOUR, 3_599).wakes_in(), None);
    assert_eq!(Bench::failed_with_token(HOUR, 1).wakes_in(), None);
}

#[test]
fn a_slot_wakes_for_the_earlier_of_a_deadline_and_the_end_of_a_pause() {
    let mut bench = Bench::failed_with_token(HOUR, HOUR);
    bench.decides(Need::Wish, Span::seconds(60));
    assert_eq!(bench.wakes_in(), Some(Span::seconds(2)), "the pause ends");
    bench.decides(Need::Wish, Span::seconds(3));
    bench.pass(Span::seconds(2));
    bench.begin();
    assert_eq!(
        bench.wakes_in(),
        Some(Span::seconds(1)),
        "the second caller's deadline"
    );
    bench.pass(Span::seconds(1));
    bench.ticks();
    assert_eq!(
        bench.wakes_in(),
        Some(Span::seconds(57)),
        "the first caller's deadline"
    );
}
