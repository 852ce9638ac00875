//! The built client against a daemon that answers from a script.

#![cfg(unix)]

mod daemon;
mod failure;
mod get;
mod launch;
mod login;
mod reject;
mod sequences;
mod stdout;
mod usage;
mod without_daemon;
mod world;
