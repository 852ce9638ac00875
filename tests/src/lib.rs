//! What the tests of the whole product share: the Auth API simulator, a blocking HTTPS client, and a
//! world in which the real programs run.

pub mod auth_sim;
pub mod https;
#[cfg(target_os = "linux")]
pub mod process;
pub mod source;
pub mod world;
