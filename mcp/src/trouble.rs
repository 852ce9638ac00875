//! Why a message could not be passed on.

use std::fmt;

use ac_cred_proto::Denial;

/// Why a message could not be passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is no token, or it may not be sent there.
    Denied(Denial),
    /// The MCP server cannot be reached, or did not answer well: what and why.
    Server(String),
    /// The connection to it broke, or ended too early: what and why.
    Broken(String),
    /// The MCP server does not know the session any more.
    Lost,
    /// The client sent what is no message: what is wrong with it.
    NoMessage(&'static str),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denial) => write!(f, "{denial}"),
            Self::Server(why) | Self::Broken(why) => f.write_str(why),
            Self::Lost => f.write_str("the MCP server does not keep its sessions"),
            Self::NoMessage(why) => f.write_str(why),
        }
    }
}

impl From<Denial> for Trouble {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}
