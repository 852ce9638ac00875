//! The broker with everything around it simulated: what callers see, whatever happens to the Auth
//! API, the clock, the settings and the stores.

#[cfg(test)]
mod changes;
#[cfg(test)]
mod exchanges;
#[cfg(test)]
#[cfg(unix)]
mod faults;
#[cfg(test)]
mod idle;
#[cfg(test)]
mod logins;
#[cfg(test)]
mod rig;
#[cfg(test)]
#[cfg(unix)]
mod running;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod time;
#[cfg(test)]
mod unlock;
#[cfg(test)]
mod watching;
