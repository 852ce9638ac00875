//! The broker with its state: any sequence of requests, exchanges and time is answered call by call,
//! no answer holds a credential, and after everybody has logged out there is no token.

#[path = "dispatcher/rig.rs"]
mod rig;
#[path = "dispatcher/script.rs"]
mod script;

use rig::Rig;
use script::{Script, Step};

/// What the bytes are read as.
pub(crate) fn run(data: &[u8]) {
    rig::block_on(play(data));
}

async fn play(data: &[u8]) {
    let mut script = Script::new(data);
    let mut rig = Rig::new(script.byte());
    while let Some(step) = script.step() {
        match step {
            Step::Call(request) => rig.call(request),
            Step::Plan(plan) => rig.plan(plan),
            Step::Pass(span) => rig.pass(span).await,
            Step::Sleep(span) => rig.sleep(span),
            Step::SetWall(seconds) => rig.step_wall(seconds),
            Step::Leave => rig.leave(),
            Step::Settle => rig.settle().await,
        }
        rig.check();
    }
    rig.end().await;
}
