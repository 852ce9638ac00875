//! What is planned to go wrong: which exchange meets which fault, delay or gate.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{fault::Fault, lock, wait_while};

/// Which exchanges a plan is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Everyone,
    /// Those with this secret.
    Credential(String),
    /// Those that would be granted a token for the organization with this GUID.
    Organization(String),
}

impl Scope {
    fn covers(&self, asked: &Asked) -> bool {
        match self {
            Self::Everyone => true,
            Self::Credential(secret) => asked.secret.as_ref() == Some(secret),
            Self::Organization(id) => asked.organization.as_ref() == Some(id),
        }
    }
}

/// What an exchange speaks of.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub(super) secret: Option<String>,
    pub(super) organization: Option<String>,
}

/// Faults, delays and gates to come.
#[derive(Default)]
pub(super) struct Plan {
    rules: Mutex<Rules>,
    gates: Mutex<Vec<Arc<Hold>>>,
}

#[derive(Default)]
struct Rules {
    next: Vec<Next>,
    always: Vec<(Scope, Fault)>,
    slow: Vec<(Scope, Duration)>,
}

struct Next {
    scope: Scope,
    left: usize,
    fault: Fault,
}

impl Plan {
    pub(super) fn fail_next(&self, scope: Scope, left: usize, fault: Fault) {
        lock(&self.rules).next.push(Next { scope, left, fault });
    }

    pub(super) fn fail_always(&self, scope: Scope, fault: Fault) {
        lock(&self.rules).always.push((scope, fault));
    }

    pub(super) fn slow_by(&self, scope: Scope, delay: Duration) {
        lock(&self.rules).slow.push((scope, delay));
    }

    /// Forgets faults and delays; gates stay.
    pub(super) fn heal(&self) {
        *lock(&self.rules) = Rules::default();
    }

    /// The fault that this exchange meets: the oldest that is limited in number, else the newest
    /// that is not.
    pub(super) fn take_fault(&self, asked: &Asked) -> Option<Fault> {
        let mut rules = lock(&self.rules);
        let next = rules
            .next
            .iter_mut()
            .find(|next| next.left > 0 && next.scope.covers(asked));
        if let Some(next) = next {
            next.left -= 1;
            return Some(next.fault.clone());
        }
        let mut newest_first = rules.always.iter().rev();
        newest_first
            .find(|(scope, _)| scope.covers(asked))
            .map(|(_, fault)| fault.clone())
    }

    /// How long the answer waits: the newest delay that covers the exchange.
    pub(super) fn delay(&self, asked: &Asked) -> Duration {
        let rules = lock(&self.rules);
        let mut newest_first = rules.slow.iter().rev();
        newest_first
            .find(|(scope, _)| scope.covers(asked))
            .map_or(Duration::ZERO, |(_, delay)| *delay)
    }

    /// Makes a gate that holds answers until it is released.
    pub(super) fn hold(&self, scope: Scope) -> Gate {
        let hold = Arc::new(Hold {
            scope,
            state: Mutex::default(),
            arrived: Condvar::new(),
            opened: Condvar::new(),
        });
        lock(&self.gates).push(Arc::clone(&hold));
        Gate { hold }
    }

    /// Waits at every closed gate that covers the exchange.
    pub(super) fn pass_gates(&self, asked: &Asked) {
        let mut gates = lock(&self.gates);
        gates.retain(|gate| !gate.state().released);
        let mine: Vec<_> = gates
            .iter()
            .filter(|gate| gate.scope.covers(asked))
            .map(Arc::clone)
            .collect();
        drop(gates);
        for gate in mine {
            gate.pass();
        }
    }

    /// Opens every gate.
    pub(super) fn release_all(&self) {
        for gate in lock(&self.gates).iter() {
            gate.release();
        }
    }
}

/// Holds the answers to exchanges until it is released or dropped.
#[must_use = "a dropped gate holds nothing"]
pub struct Gate {
    hold: Arc<Hold>,
}

impl Gate {
    /// How many exchanges are being held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.hold.state().held
    }

    /// Blocks until at least `n` exchanges are being held; false when `deadline` passes first.
    #[must_use]
    pub fn wait_for(&self, n: usize, deadline: Duration) -> bool {
        let lacking = |state: &mut HoldState| state.held < n;
        wait_while(&self.hold.arrived, self.hold.state(), deadline, lacking)
    }

    /// Lets every held answer go, and every later one pass.
    pub fn release(&self) {
        self.hold.release();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.hold.release();
    }
}

struct Hold {
    scope: Scope,
    state: Mutex<HoldState>,
    /// Wakes who waits for exchanges to be held; apart from `opened`, lest each arrival wakes all
    /// that are held.
    arrived: Condvar,
    opened: Condvar,
}

#[derive(Default)]
struct HoldState {
    released: bool,
    held: usize,
}

impl Hold {
    fn pass(&self) {
        let mut state = self.state();
        state.held += 1;
        self.arrived.notify_all();
        let mut state = self
            .opened
            .wait_while(state, |state| !state.released)
            .unwrap_or_else(PoisonError::into_inner);
        state.held -= 1;
    }

    fn release(&self) {
        self.state().released = true;
        self.opened.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, HoldState> {
        lock(&self.state)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn limited_faults_come_first_and_in_order() {
        let plan = Plan::default();
        plan.fail_always(Scope::Everyone, Fault::status(500));
        plan.fail_next(Scope::Everyone, 2, Fault::status(501));
        plan.fail_next(Scope::Everyone, 1, Fault::status(502));
        let met = [(); 5].map(|()| name(&plan, &of("a", "x")).unwrap());
        let expected = [501, 501, 502, 500, 500].map(|status| format!("status {status}"));
        assert_eq!(met, expected);
        plan.heal();
        assert_eq!(name(&plan, &of("a", "x")), None);
    }

    #[test]
    fn a_scope_spares_everyone_else() {
        let plan = Plan::default();
        plan.fail_always(Scope::Credential("a".to_owned()), Fault::empty());
        plan.slow_by(Scope::Organization("y".to_owned()), LONG);
        assert!(name(&plan, &of("a", "x")).is_some());
        assert_eq!(name(&plan, &of("b", "x")), None);
        assert_eq!(plan.delay(&of("b", "x")), Duration::ZERO);
        assert_eq!(plan.delay(&of("b", "y")), LONG);
    }

    #[test]
    fn a_gate_holds_until_it_is_released_and_none_after() {
        let plan = Plan::default();
        let gate = plan.hold(Scope::Everyone);
        thread::scope(|threads| {
            threads.spawn(|| plan.pass_gates(&of("a", "x")));
            threads.spawn(|| plan.pass_gates(&of("b", "y")));
            assert!(gate.wait_for(2, LONG));
            assert!(!gate.wait_for(3, Duration::ZERO));
            gate.release();
        });
        assert_eq!(gate.held(), 0);
        plan.pass_gates(&of("a", "x"));
    }

    #[test]
    fn a_dropped_gate_lets_go() {
        let plan = Plan::default();
        let gate = plan.hold(Scope::Everyone);
        thread::scope(|threads| {
            let held = threads.spawn(|| plan.pass_gates(&of("a", "x")));
            assert!(gate.wait_for(1, LONG));
            drop(gate);
            held.join().unwrap();
        });
    }

    #[test]
    fn a_gate_for_one_credential_holds_no_other() {
        let plan = Plan::default();
        let _gate = plan.hold(Scope::Credential("a".to_owned()));
        plan.pass_gates(&of("b", "x"));
    }

    fn name(plan: &Plan, asked: &Asked) -> Option<String> {
        plan.take_fault(asked).map(|fault| fault.name().to_owned())
    }

    fn of(secret: &str, organization: &str) -> Asked {
        Asked {
            secret: Some(secret.to_owned()),
            organization: Some(organization.to_owned()),
        }
    }
}
