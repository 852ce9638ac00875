//! The Auth API simulator as a program: try the product without an account.

use std::{
    fs,
    io::{self, Read, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    thread,
};

use ac_cred_tests::auth_sim::{self, AuthSim, Options, Tls};
use clap::Parser;
use tempfile::TempDir;

const EXAMPLES: &str = "\
Examples:
  auth-sim --ca-file ca.pem --key demo=7a3f1c2e-0000-4000-8000-000000000001
      one organization with the personal access key `demo`; then, elsewhere:
      echo demo | ac-cred login acme --stdin --auth-url URL --ca-file ca.pem
      ac-cred get acme

  auth-sim --lifetime 20 --key demo=7a3f1c2e-0000-4000-8000-000000000001
      tokens that live for 20 seconds, to watch renewals

  auth-sim --http --api-key ci:demo=7a3f1c2e-0000-4000-8000-000000000001
      plain HTTP and an API key; login then needs --allow-http

Every secret is made up: never give a real one. It listens at 127.0.0.1 alone, says
`listening on URL` on stdout when it is ready, and reports each exchange and API call on stderr,
without secrets and tokens. It serves until its stdin closes, or until it is killed.";

/// Simulates Appcircle's Auth API on this machine.
#[derive(Parser)]
#[command(after_help = EXAMPLES)]
struct Arguments {
    /// The port to listen at; 0 takes one that is free
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
    /// Speak plain HTTP in place of HTTPS
    #[arg(long)]
    http: bool,
    /// How long session tokens live
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    lifetime: i64,
    /// A personal access key and its organization's GUID; GUIDs of sub-organizations may follow
    #[arg(long, value_name = "SECRET=ORG_ID[,ORG_ID…]", value_parser = parse_secret)]
    key: Vec<Secret>,
    /// A personal access token, the legacy kind, in the same form
    #[arg(long, value_name = "SECRET=ORG_ID[,ORG_ID…]", value_parser = parse_secret)]
    pat: Vec<Secret>,
    /// An API key with its name and the GUIDs of its organizations
    #[arg(long, value_name = "NAME:SECRET=ORG_ID[,ORG_ID…]", value_parser = parse_api_key)]
    api_key: Vec<ApiKey>,
    /// Where to write the certificate authority to trust; without it, a new temporary directory
    #[arg(long, value_name = "PATH")]
    ca_file: Option<PathBuf>,
    /// Serve until killed, whatever stdin does
    #[arg(long)]
    ignore_stdin: bool,
}

#[derive(Clone)]
struct Secret {
    secret: String,
    organization_ids: Vec<String>,
}

#[derive(Clone)]
struct ApiKey {
    name: String,
    key: Secret,
}

fn main() -> ExitCode {
    match serve(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("auth-sim: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn serve(arguments: &Arguments) -> io::Result<()> {
    let sim = AuthSim::try_start(Options {
        tls: if arguments.http {
            Tls::Plain
        } else {
            Tls::Good
        },
        port: arguments.port,
        lifetime: arguments.lifetime,
        observer: Some(Arc::new(say)),
    })?;
    add_credentials(&sim, arguments);
    // The directory is removed when this function ends.
    let _directory = if arguments.http {
        None
    } else {
        write_authority(&sim, arguments)?
    };
    writeln!(io::stdout().lock(), "listening on {}", sim.url())?;
    if arguments.ignore_stdin {
        loop {
            thread::park();
        }
    }
    wait_for_end_of_stdin()
}

fn add_credentials(sim: &AuthSim, arguments: &Arguments) {
    for Secret {
        secret,
        organization_ids,
    } in &arguments.key
    {
        let (home, others) = home_and_others(organization_ids);
        let added = sim.add_personal_access_key(secret, home);
        for id in others {
            added.with_sub_organization(id);
        }
    }
    for Secret {
        secret,
        organization_ids,
    } in &arguments.pat
    {
        let (home, others) = home_and_others(organization_ids);
        let added = sim.add_personal_access_token(secret, home);
        for id in others {
            added.with_sub_organization(id);
        }
    }
    for ApiKey { name, key } in &arguments.api_key {
        let ids: Vec<&str> = key.organization_ids.iter().map(|id| &**id).collect();
        sim.add_api_key(name, &key.secret, &ids);
    }
    if arguments.key.is_empty() && arguments.pat.is_empty() && arguments.api_key.is_empty() {
        say("auth-sim: no credential was given, so every exchange will be refused; see --help");
    }
}

fn home_and_others(ids: &[String]) -> (&str, &[String]) {
    let (home, others) = ids.split_first().expect("the parser wants an organization");
    (home, others)
}

/// Writes the authority's certificate, and says where unless the user chose the place.
fn write_authority(sim: &AuthSim, arguments: &Arguments) -> io::Result<Option<TempDir>> {
    if let Some(path) = &arguments.ca_file {
        fs::write(path, sim.ca_pem())?;
        return Ok(None);
    }
    let directory = tempfile::Builder::new().prefix("auth-sim-").tempdir()?;
    let path = directory.path().join("ca.pem");
    fs::write(&path, sim.ca_pem())?;
    say(&format!(
        "auth-sim: the certificate authority is in {}",
        path.display()
    ));
    Ok(Some(directory))
}

fn wait_for_end_of_stdin() -> io::Result<()> {
    let mut ignored = [0; 1024];
    let mut stdin = io::stdin().lock();
    while stdin.read(&mut ignored)? > 0 {}
    Ok(())
}

/// Writes a line to stderr; nobody may be reading it, and then it is lost.
fn say(line: &str) {
    drop(writeln!(io::stderr().lock(), "{line}"));
}

/// Parses `SECRET=ORG_ID,…`; a secret in base64 may itself end in `=`, an id has none.
fn parse_secret(text: &str) -> Result<Secret, String> {
    let (secret, ids) = text
        .rsplit_once('=')
        .ok_or("no = between secret and organization")?;
    let organization_ids: Vec<String> = ids.split(',').map(str::to_owned).collect();
    if secret.is_empty() {
        return Err("the secret is empty".to_owned());
    }
    if let Some(wrong) = organization_ids.iter().find(|id| !auth_sim::is_guid(id)) {
        return Err(format!("`{wrong}` is no GUID"));
    }
    Ok(Secret {
        secret: secret.to_owned(),
        organization_ids,
    })
}

fn parse_api_key(text: &str) -> Result<ApiKey, String> {
    let (name, rest) = text.split_once(':').ok_or("no : between name and secret")?;
    Ok(ApiKey {
        name: name.to_owned(),
        key: parse_secret(rest)?,
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        Arguments::command().debug_assert();
    }

    const ID: &str = "7a3f1c2e-0000-4000-8000-000000000001";

    #[test]
    fn a_secret_may_end_in_equals_signs() {
        let parsed = parse_secret(&format!("c2VjcmV0=={ID},{ID}")).unwrap();
        assert_eq!(parsed.secret, "c2VjcmV0=");
        assert_eq!(parsed.organization_ids, [ID, ID]);
    }

    #[test]
    fn an_api_key_has_a_name_before_its_secret() {
        let parsed = parse_api_key(&format!("ci:a:b={ID}")).unwrap();
        assert_eq!(parsed.name, "ci");
        assert_eq!(parsed.key.secret, "a:b");
    }

    #[test]
    fn what_lacks_a_part_is_refused() {
        for wrong in ["", "secret", "=ID", "secret=", "secret=ID,", "secret=acme"] {
            let wrong = wrong.replace("ID", ID);
            assert!(parse_secret(&wrong).is_err(), "{wrong}");
        }
        assert!(parse_api_key(&format!("secret={ID}")).is_err());
    }
}
