//! The knobs of a simulator: what successful answers say, and what goes wrong for whom.

use std::time::Duration;

use serde_json::Value;

use super::{
    AuthSim,
    fault::Fault,
    plan::{Gate, Scope},
    token::ExpiresIn,
};

/// What successful answers say.
impl AuthSim {
    /// Seconds that tokens issued from now on live; negative for dead at birth.
    pub fn set_lifetime(&self, seconds: i64) {
        self.shared.ledger.shape(|shape| shape.lifetime = seconds);
    }

    /// New tokens expire soon: after two seconds, as a second may end between the making of a token
    /// and the `Date` of its answer.
    pub fn set_short_lifetime(&self) {
        self.set_lifetime(2);
    }

    /// Leaves `exp` out of the JWT.
    pub fn omit_exp(&self) {
        self.shared.ledger.shape(|shape| shape.exp = false);
    }

    /// Leaves `expires_in` out of the answer.
    pub fn omit_expires_in(&self) {
        let ledger = &self.shared.ledger;
        ledger.shape(|shape| shape.expires_in = ExpiresIn::Absent);
    }

    /// Answers this as `expires_in`, whatever it is.
    pub fn set_expires_in(&self, value: Value) {
        let ledger = &self.shared.ledger;
        ledger.shape(|shape| shape.expires_in = ExpiresIn::Value(value));
    }

    /// Leaves `currentOrganizationId` out of the JWT.
    pub fn omit_organization(&self) {
        self.shared.ledger.shape(|shape| shape.organization = false);
    }

    /// Issues tokens that are no JWT.
    pub fn issue_opaque_tokens(&self) {
        self.shared.ledger.shape(|shape| shape.opaque = true);
    }

    /// Sets the server's clock ahead of the system's by seconds, or behind it: `Date`, `iat`,
    /// `exp`, and when the API finds a token expired.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.shared.ledger.set_clock_offset(seconds);
    }

    /// Leaves the `Date` header out of every answer.
    pub fn omit_date(&self) {
        self.shared.ledger.set_dated(false);
    }

    /// The server's clock: Unix seconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.shared.ledger.now()
    }
}

/// What goes wrong; every exchange is meant, unless narrowed by `only_…`.
impl AuthSim {
    /// Lets the next `n` exchanges meet a fault; those planned earlier come first.
    pub fn fail_next(&self, n: usize, fault: Fault) {
        self.everyone().fail_next(n, fault);
    }

    /// Lets every exchange meet a fault, behind those of [`Self::fail_next`].
    pub fn fail_always(&self, fault: Fault) {
        self.everyone().fail_always(fault);
    }

    /// Lets every answer wait.
    pub fn slow_by(&self, delay: Duration) {
        self.everyone().slow_by(delay);
    }

    /// Forgets faults and delays, narrowed ones too; gates, TLS and the port stay as they are.
    pub fn heal(&self) {
        self.shared.plan.heal();
    }

    /// Holds every answer until the gate is released or dropped.
    pub fn hold(&self) -> Gate {
        self.everyone().hold()
    }

    /// Holds the answers to one credential.
    pub fn hold_credential(&self, secret: &str) -> Gate {
        self.only_credential(secret).hold()
    }

    /// Narrows what goes wrong to one credential.
    #[must_use]
    pub fn only_credential(&self, secret: &str) -> Only<'_> {
        self.only(Scope::Credential(secret.to_owned()))
    }

    /// Narrows what goes wrong to exchanges that a token for this organization answers.
    #[must_use]
    pub fn only_organization(&self, organization_id: &str) -> Only<'_> {
        self.only(Scope::Organization(organization_id.to_owned()))
    }

    fn everyone(&self) -> Only<'_> {
        self.only(Scope::Everyone)
    }

    fn only(&self, scope: Scope) -> Only<'_> {
        Only { sim: self, scope }
    }
}

/// What goes wrong for some exchanges only.
pub struct Only<'a> {
    sim: &'a AuthSim,
    scope: Scope,
}

impl Only<'_> {
    /// As [`AuthSim::fail_next`].
    pub fn fail_next(&self, n: usize, fault: Fault) {
        let plan = &self.sim.shared.plan;
        plan.fail_next(self.scope.clone(), n, fault);
    }

    /// As [`AuthSim::fail_always`].
    pub fn fail_always(&self, fault: Fault) {
        let plan = &self.sim.shared.plan;
        plan.fail_always(self.scope.clone(), fault);
    }

    /// As [`AuthSim::slow_by`].
    pub fn slow_by(&self, delay: Duration) {
        self.sim.shared.plan.slow_by(self.scope.clone(), delay);
    }

    /// As [`AuthSim::hold`].
    pub fn hold(&self) -> Gate {
        self.sim.shared.plan.hold(self.scope.clone())
    }
}
