//! Random events against a slot, and a small model that knows what must never happen.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// How many sequences of events are tried when `PROPTEST_CASES` does not say.
const CASES: u32 = 5_000;

#[derive(Clone, Debug)]
enum Event {
    Ask(Need, Span),
    Reject(Rejected, Span),
    BeginIfWanted,
    Settle(End),
    SettleSuperseded(End),
    Tick,
    Forget,
    Install(u64),
    Reconsider,
    Reserve,
    Pass(Span),
}

#[derive(Clone, Debug)]
enum Rejected {
    WhateverIsHeld,
    TheHeldToken,
    AnotherToken,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Token(u64),
    Transient(Option<Span>),
    Refused,
    Here,
}

/// One who waits, as the model remembers it.
#[derive(Clone, Copy, Debug)]
struct Waiter {
    need: Need,
    deadline: Moment,
    /// How many tokens there had been when it asked.
    tokens: u64,
}

#[derive(Default)]
struct Model {
    bench: Bench,
    waiting: BTreeMap<Ticket, Waiter>,
    under_way: Option<Attempt>,
    superseded: Vec<Attempt>,
    /// The second after the last exchange, and the places that logins have taken, end here.
    floor: Moment,
    /// The pause that the server asked for ends here.
    paused_until: Moment,
    is_refused: bool,
    /// Tokens up to this number were forgotten.
    forgotten: u64,
    rejected: BTreeSet<u64>,
}

impl Model {
    fn run(&mut self, event: Event) {
        match event {
            Event::Ask(need, wait) => self.ask(need, wait),
            Event::Reject(rejected, wait) => self.reject(&rejected, wait),
            Event::BeginIfWanted => self.begin_if_wanted(),
            Event::Settle(end) => {
                if let Some(attempt) = self.under_way.take() {
                    self.settle(attempt, end);
                }
            }
            Event::SettleSuperseded(end) => self.settle_superseded(end),
            Event::Tick => self.tick(),
            Event::Forget => self.forget(),
            Event::Install(life) => self.install(life),
            Event::Reconsider => self.reconsider(),
            Event::Reserve => self.reserve(),
            Event::Pass(span) => self.bench.pass(span),
        }
        self.nobody_is_left_behind();
    }

    fn ask(&mut self, need: Need, wait: Span) {
        self.is_refused &= !matches!(need, Need::New(_));
        let caller = self.bench.caller(need, wait);
        let decision = self.bench.slot.ask(caller, self.bench.now);
        self.decided(caller, &decision);
    }

    fn reject(&mut self, rejected: &Rejected, wait: Span) {
        let held = self.bench.held().map(str::to_owned);
        let token = match rejected {
            Rejected::WhateverIsHeld => None,
            Rejected::TheHeldToken => held.clone(),
            Rejected::AnotherToken => Some("another".to_owned()),
        };
        if !matches!(rejected, Rejected::AnotherToken) {
            self.rejected.extend(held.as_deref().map(number));
        }
        let token = token.map(|token| SessionToken::parse(&token).unwrap());
        let caller = self.bench.caller(Need::Other, wait);
        let decision = self
            .bench
            .slot
            .reject(token.as_ref(), caller, self.bench.now);
        self.decided(caller, &decision);
    }

    fn decided(&mut self, caller: Caller, decision: &Decision) {
        let waiter = Waiter {
            need: caller.need,
            deadline: caller.deadline,
            tokens: self.bench.tokens,
        };
        match decision {
            Decision::Wait => {
                assert!(self.waiting.insert(caller.ticket, waiter).is_none());
            }
            Decision::Serve(warning) => self.served(waiter, *warning),
            Decision::Deny(_) => {}
        }
    }

    fn answered(&mut self, answers: &Answers) {
        for (ticket, decision) in &answers.0 {
            let waiter = self.waiting.remove(ticket);
            let waiter = waiter.expect("only those who wait are answered, and once");
            match decision {
                Decision::Serve(warning) => self.served(waiter, *warning),
                Decision::Deny(_) => {}
                Decision::Wait => panic!("one who waits is told to wait"),
            }
        }
    }

    /// What a served token has to be like.
    fn served(&self, waiter: Waiter, warning: Option<Warning>) {
        let held = self.bench.slot.held(self.bench.now);
        let held = held.expect("what is served is held and alive");
        let (number, left) = (number(held.token.expose()), held.left(self.bench.now));
        assert!(number > self.forgotten, "a forgotten token was served");
        assert!(
            !self.rejected.contains(&number),
            "a rejected token was served"
        );
        let is_newer = number > waiter.tokens;
        match waiter.need {
            Need::Wish => assert!(
                is_newer
                    || warning.is_some()
                    || left >= freshness::wished(held.life)
                    || left >= WORTH_SERVING,
                "{left:?}"
            ),
            Need::Life(demanded) => assert!(left >= demanded, "{left:?} of {demanded:?}"),
            Need::New(demanded) => assert!(is_newer && left >= demanded),
            Need::Other => {}
        }
    }

    fn begin_if_wanted(&mut self) {
        if !self.bench.wants_exchange() {
            return;
        }
        assert_eq!(self.under_way, None, "one exchange at a time");
        let earliest = self.floor.max(self.paused_until);
        assert!(
            self.bench.now >= earliest,
            "too early by {:?}",
            self.bench.now.until(earliest)
        );
        assert!(!self.is_refused, "a refused credential is asked again");
        self.under_way = Some(self.bench.begin());
    }

    fn settle(&mut self, attempt: Attempt, end: End) {
        match end {
            End::Token(_) => self.is_refused = false,
            End::Refused => self.is_refused = true,
            End::Transient(requested) => {
                let requested = requested.unwrap_or_default().min(Span::seconds(600));
                self.paused_until = self.bench.now.after(requested);
            }
            End::Here => {}
        }
        if !matches!(end, End::Here) {
            self.keep_distance();
        }
        let result = self.result(end);
        let answers = self
            .bench
            .slot
            .settle(attempt, result, self.bench.at(), 0.0);
        self.answered(&answers);
        assert!(
            self.waiting.is_empty(),
            "every caller is answered after one exchange"
        );
    }

    fn settle_superseded(&mut self, end: End) {
        let Some(attempt) = self.superseded.pop() else {
            return;
        };
        let before = self.bench.held().map(str::to_owned);
        if !matches!(end, End::Here) {
            self.keep_distance();
        }
        let result = self.result(end);
        let answers = self
            .bench
            .slot
            .settle(attempt, result, self.bench.at(), 0.0);
        assert!(answers.0.is_empty(), "a superseded result answers nobody");
        assert_eq!(self.bench.held(), before.as_deref());
    }

    fn result(&mut self, end: End) -> Result<Grant, Failure> {
        match end {
            End::Token(life) => Ok(self.bench.grant(life)),
            End::Transient(requested) => Err(Failure::Transient(
                Denial::new(ErrorCode::RateLimited, "later"),
                requested,
            )),
            End::Refused => Err(refused()),
            End::Here => Err(locked()),
        }
    }

    /// Does what a timer does: answers who is late, and begins what is wanted.
    fn tick(&mut self) {
        let now = self.bench.now;
        let answers = self.bench.slot.tick(now, &unanswered());
        self.answered(&answers);
        assert!(self.waiting.values().all(|waiter| waiter.deadline > now));
        self.begin_if_wanted();
        let next = self.bench.slot.next_wakeup();
        assert!(
            next.is_none_or(|next| next > now),
            "a timer would spin: {next:?} at {now:?}"
        );
    }

    fn forget(&mut self) {
        self.supersede();
        let answers = self.bench.slot.forget(&logged_out(), self.bench.now);
        self.answered(&answers);
        assert!(
            self.waiting.is_empty(),
            "nobody waits for what was forgotten"
        );
    }

    fn install(&mut self, life: u64) {
        self.supersede();
        self.keep_distance();
        let grant = self.bench.grant(life);
        let answers = self.bench.slot.install(grant, self.bench.at());
        self.answered(&answers);
        assert!(self.waiting.is_empty(), "a login answers everybody");
    }

    fn reconsider(&mut self) {
        self.supersede();
        self.bench.slot.reconsider(self.bench.now);
        assert_eq!(self.bench.held(), None);
    }

    /// What a new credential, new settings or a logout make of the state.
    fn supersede(&mut self) {
        if let Some(attempt) = self.under_way.take() {
            self.superseded.push(attempt);
            self.keep_distance();
        }
        self.paused_until = self.bench.now;
        self.is_refused = false;
        self.forgotten = self.bench.tokens;
    }

    fn reserve(&mut self) {
        let start = self
            .bench
            .now
            .after(self.bench.slot.reserve(self.bench.now));
        assert!(
            start >= self.floor,
            "a login follows an exchange too closely"
        );
        self.floor = start.after(backoff::FLOOR);
    }

    /// An exchange has ended, or was given up.
    fn keep_distance(&mut self) {
        self.floor = self.floor.max(self.bench.now.after(backoff::FLOOR));
    }

    fn nobody_is_left_behind(&self) {
        let is_woken = self.under_way.is_some() || self.bench.slot.next_wakeup().is_some();
        assert!(
            self.waiting.is_empty() || is_woken,
            "nothing will answer {:?}",
            self.waiting
        );
        assert_eq!(self.bench.slot.under_way, self.under_way);
    }

    /// Lets time pass until every deadline has come, with no answer from the Auth API any more.
    fn end(&mut self) {
        while let Some(deadline) = self.waiting.values().map(|waiter| waiter.deadline).min() {
            let due = self
                .bench
                .slot
                .next_wakeup()
                .expect("somebody waits for a deadline");
            assert!(
                due <= deadline.max(self.bench.now),
                "a deadline would be missed"
            );
            self.bench.now = self.bench.now.max(due);
            self.tick();
        }
    }
}

fn number(token: &str) -> u64 {
    token.trim_start_matches("token-").parse().unwrap()
}

/// Lives of tokens in seconds.
const LIVES: &[u64] = &[1, 2, 29, 30, 31, 60, 119, 600, 1_200, HOUR, 24 * HOUR];

/// Lengths of time in milliseconds, from nothing to a night of sleep.
const SPANS: &[u64] = &[
    0, 1, 499, 500, 999, 1_000, 1_001, 8_000, 29_999, 30_000, 60_000, 600_000, 900_000, 2_800_000,
    3_300_000, 28_800_000,
];

/// The event that three bytes stand for: bytes are made and shrunk faster than trees of events.
fn event([kind, first, second]: [u8; 3]) -> Event {
    let (life, span) = (pick(LIVES, first), Span(pick(SPANS, second)));
    match kind % 36 {
        0..6 => Event::Ask(need(first), span),
        6..8 => Event::Reject(rejected(first), span),
        8..14 => Event::BeginIfWanted,
        14..20 => Event::Settle(end(first, second)),
        20..22 => Event::SettleSuperseded(end(first, second)),
        22..26 => Event::Tick,
        26 => Event::Forget,
        27 => Event::Install(life),
        28 => Event::Reconsider,
        29 => Event::Reserve,
        _ => Event::Pass(span),
    }
}

fn pick(among: &[u64], byte: u8) -> u64 {
    among[usize::from(byte) % among.len()]
}

fn need(byte: u8) -> Need {
    let seconds = pick(LIVES, byte / 8);
    match byte % 8 {
        0..4 => Need::Wish,
        4 | 5 => life(seconds),
        6 => new(seconds % HOUR),
        _ => Need::Other,
    }
}

fn rejected(byte: u8) -> Rejected {
    match byte % 3 {
        0 => Rejected::WhateverIsHeld,
        1 => Rejected::TheHeldToken,
        _ => Rejected::AnotherToken,
    }
}

fn end(first: u8, second: u8) -> End {
    match first % 8 {
        0..4 => End::Token(pick(LIVES, second)),
        4 => End::Transient(None),
        5 => End::Transient(Some(Span(pick(SPANS, second)))),
        6 => End::Refused,
        _ => End::Here,
    }
}

/// More cases where `PROPTEST_CASES` asks for them; no file is left behind by a failure.
fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok();
    ProptestConfig {
        cases: asked.and_then(|cases| cases.parse().ok()).unwrap_or(CASES),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_happens_no_rule_is_broken(
        events in prop::collection::vec(any::<[u8; 3]>(), 1..150)
    ) {
        let mut model = Model::default();
        for bytes in events {
            model.run(event(bytes));
        }
        model.end();
    }
}
