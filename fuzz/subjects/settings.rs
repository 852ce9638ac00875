//! The settings file: what is taken can be used without harm, and what is refused is told by its
//! place without the text that is there.

use ac_cred_proto::settings::Settings;
use ac_cred_proto::text::is_visible;
use ac_credd::auth_api::target::Target;

/// The file's bytes.
pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Settings::parse(text) {
        Ok(settings) => is_usable(&settings),
        Err(error) => {
            assert!((1..=text.matches('\n').count() + 1).contains(&error.line));
            assert!((1..=text.chars().count() + 1).contains(&error.column));
            assert!(error.message.chars().all(is_visible), "{:?}", error.message);
        }
    }
}

fn is_usable(settings: &Settings) {
    if let Ok((org, chosen)) = settings.choose(None) {
        assert_eq!(settings.organizations.get(org), Some(chosen));
    }
    for (org, own) in &settings.organizations {
        let (found, same) = settings.choose(Some(org)).expect("a known alias is found");
        assert_eq!((found, same), (org, own));
        match Target::new(own, None) {
            Ok(target) => {
                let is_private = target.url().starts_with("https://");
                assert!(is_private || (own.allow_http && target.url().starts_with("http://")));
                assert!(target.host().chars().all(is_visible), "{:?}", target.host());
                assert_eq!(target.binding().difference(target.binding()), None);
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}
