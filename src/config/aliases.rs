//! Reads variables of the Token Seeder, the older mediator and `mosip-api`, so that a deployment can move without renaming them.
//!
//! The file and the gateway's own variables override an alias. An empty alias counts as unset. Where several set the same setting, the first
//! of the row counts. A name that other programs use too counts only where another variable shows which system is meant. Keys and
//! certificates are added to those of the file, except a peer whose name the file has already.

mod table;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use toml::{Table, Value};

use table::{
    KeyFile, OF_MEDIATOR, OF_MOSIP_API, OF_SEEDER, OWN_KEYS, PEERS, SCALARS, Sets, System,
    VERIFICATION_METHODS, WITHOUT_EFFECT,
};

/// The environment variables of the process.
pub(super) type Variables = BTreeMap<String, String>;

/// The setting that a variable stands for.
pub(super) struct Alias {
    pub(super) variable: String,
    pub(super) value: String,
}

/// An entry of `keys.own` or `keys.peers` made from a variable.
#[derive(Clone)]
pub(crate) struct Entry {
    /// The name it gets.
    pub(crate) name: &'static str,
    /// The variable, or the default that a system has for it.
    pub(super) variable: String,
    /// The entry as the file would hold it.
    pub(super) table: Table,
}

/// Everything that the variables of older systems set.
pub(super) struct Aliases {
    /// Settings, by path.
    pub(super) scalars: BTreeMap<&'static str, Alias>,
    /// Added to `keys.own`.
    pub(super) own: Vec<Entry>,
    /// Added to `keys.peers`.
    pub(super) peers: Vec<Entry>,
    /// Verification methods whose credentials count, where they have a certificate.
    pub(super) verification_methods: Vec<String>,
    /// Variables that are set and have no effect, in the order of their names.
    pub(super) without_effect: Vec<String>,
}

impl Aliases {
    /// `exists` says whether there is such a file.
    pub(super) fn read(variables: &Variables, exists: &dyn Fn(&Path) -> bool) -> Self {
        let systems = Systems::of(variables);
        let mut scalars = BTreeMap::new();
        for (system, path, sets, names) in SCALARS {
            let Some((variable, value)) = first_set(variables, names).filter(|_| systems.include(*system))
            else {
                continue;
            };
            let value = match sets {
                Sets::Value => value.to_owned(),
                Sets::Name => variable.to_owned(),
                Sets::BeforeAuth => before_auth(value).to_owned(),
                Sets::Below(path) => format!("{}{path}", value.trim_end_matches('/')),
                Sets::Word(word) => (*word).to_owned(),
                Sets::Beside(file) => Path::new(value).with_file_name(file).to_string_lossy().into_owned(),
            };
            scalars.entry(*path).or_insert(Alias { variable: variable.to_owned(), value });
        }
        let mut add = |files: &[KeyFile]| -> Vec<Entry> {
            let added =
                files.iter().filter_map(|file| Some((file, entry(file, variables, systems, exists)?)));
            let name_it = |(file, entry): (&KeyFile, Entry)| {
                if let Some(path) = file.sign_with {
                    scalars.insert(
                        path,
                        Alias { variable: entry.variable.clone(), value: file.name.to_owned() },
                    );
                }
                entry
            };
            added.map(name_it).collect()
        };
        let (own, peers) = (add(OWN_KEYS), add(PEERS));
        if systems.mosip_api {
            scalars.insert("faces.listen", listener_of_mosip_api(variables));
        }
        let methods = first_set(variables, &[VERIFICATION_METHODS]).map_or("", |(_, value)| value);
        let methods = methods.split(',').map(str::trim).filter(|method| !method.is_empty());
        Self {
            verification_methods: methods.map(str::to_owned).collect(),
            without_effect: without_effect(variables, systems),
            scalars,
            own,
            peers,
        }
    }
}

/// The older systems that the variables belong to.
#[derive(Clone, Copy)]
struct Systems {
    mediator: bool,
    mosip_api: bool,
    authmanager: bool,
}

impl Systems {
    fn of(variables: &Variables) -> Self {
        let token = first_set(variables, &["MOSIP_AUTH_URL"]).map(|(_, url)| url.trim_end_matches('/'));
        Self {
            mediator: first_set(variables, OF_MEDIATOR).is_some(),
            mosip_api: first_set(variables, OF_MOSIP_API).is_some(),
            authmanager: token.is_some_and(|url| url.ends_with("clientidsecretkey")),
        }
    }

    fn include(self, system: System) -> bool {
        match system {
            System::Any => true,
            System::Mediator => self.mediator,
            System::MosipApi => self.mosip_api,
            System::Keycloak => !self.authmanager,
            System::Authmanager => self.authmanager,
        }
    }
}

fn entry(
    file: &KeyFile,
    variables: &Variables,
    systems: Systems,
    exists: &dyn Fn(&Path) -> bool,
) -> Option<Entry> {
    let (system, default) = file.default;
    let is_default_there = || systems.include(system) && exists(Path::new(default));
    let (variable, path) = match (first_set(variables, file.paths), file.paths.last()) {
        (Some((variable, path)), _) => (variable.to_owned(), path),
        (None, Some(name)) if is_default_there() => (format!("the default of {name}"), default),
        _ => return None,
    };
    let mut table = Table::from_iter(
        [("name", file.name), ("file", path)].map(|(key, text)| (key.to_owned(), text.into())),
    );
    if let Some((password, _)) = first_set(variables, file.passwords) {
        table.insert("password_env".to_owned(), password.into());
    }
    if !file.uses.is_empty() {
        table.insert("use".to_owned(), Value::Array(file.uses.iter().map(|word| (*word).into()).collect()));
    }
    Some(Entry { name: file.name, variable, table })
}

/// Where `mosip-api` listens.
fn listener_of_mosip_api(variables: &Variables) -> Alias {
    let host = first_set(variables, &["HOST"]);
    let port = first_set(variables, &["PORT"]);
    let address = match host.map_or("0.0.0.0", |(_, host)| host) {
        "localhost" => "127.0.0.1",
        address => address,
    };
    let port_text = port.map_or("2024", |(_, port)| port);
    let value = match address.parse() {
        Ok(IpAddr::V6(address)) => format!("[{address}]:{port_text}"),
        _ => format!("{address}:{port_text}"),
    };
    let variable = host.or(port).map_or("MOSIP_CREATE_PACKET_URL", |(name, _)| name).to_owned();
    Alias { variable, value }
}

/// The variables of these systems that are set and have no effect.
fn without_effect(variables: &Variables, systems: Systems) -> Vec<String> {
    let mut names: Vec<&str> = Vec::new();
    for (system, idle) in WITHOUT_EFFECT {
        names.extend(idle.iter().filter(|_| systems.include(*system)));
    }
    if systems.mediator && !systems.mosip_api {
        names.extend(["HOST", "PORT"]);
    }
    // These variables configure a kind of token that is not used.
    let of_tokens = |authmanager: bool| {
        let system = if authmanager { System::Authmanager } else { System::Keycloak };
        SCALARS
            .iter()
            .filter(move |(of, ..)| *of == system)
            .flat_map(|(_, _, _, names)| names.iter().copied())
    };
    let taken: Vec<&str> = of_tokens(systems.authmanager).collect();
    names.extend(of_tokens(!systems.authmanager).filter(|name| !taken.contains(name)));
    let known = || {
        let keys = OWN_KEYS.iter().chain(PEERS).flat_map(|file| file.paths.iter().chain(file.passwords));
        SCALARS.iter().flat_map(|(_, _, _, names)| names.iter()).chain(keys)
    };
    // Kubernetes adds variables about a service of that name, with single underscores.
    let is_of_seeder = |name: &str| name.starts_with(OF_SEEDER) && name.contains("__");
    let of_seeder = variables
        .keys()
        .map(String::as_str)
        .filter(|name| is_of_seeder(name) && !known().any(|known| known == name));
    names.extend(of_seeder);
    names.sort_unstable();
    names.dedup();
    names.into_iter().filter(|name| first_set(variables, &[name]).is_some()).map(str::to_owned).collect()
}

/// The first of `names` that is set and not empty: its name and value.
fn first_set<'a>(variables: &'a Variables, names: &[&str]) -> Option<(&'a str, &'a str)> {
    names
        .iter()
        .filter_map(|name| variables.get_key_value(*name))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .find(|(_, value)| !value.is_empty())
}

fn before_auth(url: &str) -> &str {
    let url = url.trim_end_matches('/');
    url.strip_suffix("/auth").unwrap_or(url)
}
