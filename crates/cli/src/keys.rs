//! `glacis keys make|list|rotate|fingerprint|export`: the ring on a private folder, for people and for scripts.
//!
//! Nothing secret is ever printed. `--dry-run` plans and checks everything and writes nothing. A folder or file
//! that others may read is refused before it is read.

use crate::error::CliError;
use crate::print;
use clap::{Args, Subcommand, ValueEnum};
use glacis_host::{DirFiles, Host};
use glacis_seal::{Context, published};
use glacis_serve::keys::{self, Epoch, KeysError, KeysErrorKind, Plan, Ring, Rotate, Shared};
use glacis_wire::message::policy::KeyUse;
use glacis_wire::{Encode, NodeName, Realm, TenantId, Timestamp};
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `glacis keys`.
#[derive(Debug, Args)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make all keys of a new folder, or the keys of further nodes; never overwrites
    #[command(after_help = crate::EXIT_CODES)]
    Make(MakeArgs),
    /// Show which keys there are, without their secrets
    #[command(after_help = crate::EXIT_CODES)]
    List(ListArgs),
    /// Replace one key by a new one and sign the next key set
    #[command(after_help = crate::EXIT_CODES)]
    Rotate(RotateArgs),
    /// Print the fingerprint of the newest key set, for devices that pin it
    #[command(after_help = crate::EXIT_CODES)]
    Fingerprint(ListArgs),
    /// Print the newest key set as a file for devices; it holds nothing secret
    #[command(after_help = crate::EXIT_CODES)]
    Export(ExportArgs),
}

#[derive(Debug, Args)]
struct MakeArgs {
    #[command(flatten)]
    place: Place,
    /// Whose keys: 1 to 32 characters of a-z, 0-9 and -
    #[arg(long)]
    tenant: TenantText,
    /// The realm, for ever
    #[arg(long)]
    realm: RealmName,
    /// Also make the key that this node shares with the cloud; may be repeated
    #[arg(long, value_name = "NAME")]
    node: Vec<NodeText>,
    /// Check and say what would be written, write nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    place: Place,
    /// Refuse the folder unless its keys are of this realm
    #[arg(long)]
    realm: Option<RealmName>,
}

#[derive(Debug, Args)]
struct ExportArgs {
    /// The folder, private to its owner
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Print the bytes that an app is built with, in place of the file for `device enrol --key-set`
    #[arg(long)]
    raw: bool,
}

#[derive(Debug, Args)]
struct RotateArgs {
    /// Which key
    kind: Kind,
    #[command(flatten)]
    place: Place,
    /// Refuse the folder unless its keys are of this realm
    #[arg(long)]
    realm: Option<RealmName>,
    /// The node whose key is rotated
    #[arg(long, value_name = "NAME", required_if_eq("kind", "node"))]
    node: Option<NodeText>,
    /// Drop older keys of this kind now: what they signed or sealed is refused from then on
    #[arg(long)]
    drop_previous: bool,
    /// Check and say what would be written, write nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
struct Place {
    /// The folder, private to its owner
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Signs key sets and policy bundles
    Policy,
    /// Signs device certificates, attestation results and grants
    Result,
    /// Signs the revocation feed
    Feed,
    /// Seals session tickets, by epoch
    Cluster,
    /// Authenticates one node to the cloud and back
    Node,
    /// Authenticates challenges; running ones end
    Nonce,
    /// Authenticates what the cloud alone makes: every operator's token ends
    Own,
    /// Authenticates decisions to the services behind the edge; they need it too
    Upstream,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RealmName {
    /// Real devices and users
    Production,
    /// The demo and tests
    Demo,
}

impl From<RealmName> for Realm {
    fn from(name: RealmName) -> Self {
        match name {
            RealmName::Production => Self::Production,
            RealmName::Demo => Self::Demo,
        }
    }
}

/// A tenant as an argument.
#[derive(Clone, Debug)]
struct TenantText(TenantId);

impl std::str::FromStr for TenantText {
    type Err = glacis_wire::id::NameError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        TenantId::parse(text).map(Self)
    }
}

/// A node as an argument.
#[derive(Clone, Debug)]
struct NodeText(NodeName);

impl std::str::FromStr for NodeText {
    type Err = glacis_wire::id::NameError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        NodeName::parse(text).map(Self)
    }
}

/// Runs one action.
pub(crate) fn run(args: &KeysArgs, host: &dyn Host, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    match &args.action {
        Action::Make(make) => run_make(make, host, out),
        Action::List(list) => run_list(list, out),
        Action::Rotate(rotate) => run_rotate(rotate, host, out),
        Action::Fingerprint(list) => run_fingerprint(list, out),
        Action::Export(export) => run_export(export, out),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn run_make(args: &MakeArgs, host: &dyn Host, out: &mut dyn Write) -> Result<(), CliError> {
    let context = Context::new(args.tenant.0.clone(), args.realm.into());
    let nodes: Vec<NodeName> = args.node.iter().map(|node| node.0.clone()).collect();
    let dir = &args.place.dir;
    if args.dry_run && !dir.exists() {
        let plan = Plan::make(&Ring::empty(context.clone()), &nodes, host)?;
        return print_plan(&args.place, &plan, true, out);
    }
    let files = keys::open_private(dir, true)?;
    let plan = Plan::make(&Ring::load(&files, &context)?, &nodes, host)?;
    finish(&args.place, &files, &plan, args.dry_run, out)
}

fn run_rotate(args: &RotateArgs, host: &dyn Host, out: &mut dyn Write) -> Result<(), CliError> {
    let files = keys::open_private(&args.place.dir, false)?;
    let ring = load(&files, args.realm)?;
    let what = match (args.kind, &args.node) {
        (Kind::Node, Some(node)) => Rotate::Node(node.0.clone()),
        (Kind::Node, None) => {
            return Err(KeysError::new(KeysErrorKind::Usage, "--node NAME is needed").into());
        }
        (_, Some(_)) => {
            return Err(KeysError::new(KeysErrorKind::Usage, "--node goes with `rotate node`").into());
        }
        (Kind::Policy, None) => Rotate::Signing(KeyUse::Policy),
        (Kind::Result, None) => Rotate::Signing(KeyUse::Result),
        (Kind::Feed, None) => Rotate::Signing(KeyUse::Feed),
        (Kind::Cluster, None) => Rotate::Cluster,
        (Kind::Nonce, None) => Rotate::Shared(Shared::Nonce),
        (Kind::Own, None) => Rotate::Shared(Shared::Own),
        (Kind::Upstream, None) => Rotate::Shared(Shared::Upstream),
    };
    let plan = Plan::rotate(&ring, &what, args.drop_previous, host)?;
    finish(&args.place, &files, &plan, args.dry_run, out)
}

fn run_list(args: &ListArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let files = keys::open_private(&args.place.dir, false)?;
    let ring = load(&files, args.realm)?;
    let list = Listing::of(&ring);
    if args.place.json {
        return print(out, &serde_json::to_string(&list)?);
    }
    print(out, &format!("tenant {}, realm {}, key set {}", list.tenant, list.realm, list.key_set))?;
    for key in &list.keys {
        let name = key.node.as_deref().unwrap_or("");
        let line = format!(
            "{:<8} {:>4}  {:<9} {}  {}  {name}",
            key.kind, key.generation, key.state, key.created, key.id
        );
        print(out, line.trim_end())?;
    }
    Ok(())
}

fn run_fingerprint(args: &ListArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let files = keys::open_private(&args.place.dir, false)?;
    let ring = load(&files, args.realm)?;
    let Some(set) = ring.key_set() else {
        return Err(KeysError::new(KeysErrorKind::Missing, "there is no key set").into());
    };
    let fingerprint = published::fingerprint(set).map_err(KeysError::from)?.to_string();
    if args.place.json {
        let json = serde_json::json!({ "key_set": set.version, "fingerprint": fingerprint });
        return print(out, &json.to_string());
    }
    print(out, &fingerprint)
}

fn run_export(args: &ExportArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let files = keys::open_private(&args.dir, false)?;
    let ring = load(&files, None)?;
    let exported = match (args.raw, ring.key_set()) {
        (true, Some(set)) => {
            set.to_bytes().map_err(|error| KeysError::new(KeysErrorKind::Failed, error.to_string()))?
        }
        _ => keys::export_key_set(&files, &ring)?,
    };
    out.write_all(&exported).and_then(|()| out.flush()).map_err(CliError::output)
}

/// What `list` prints.
#[derive(Debug, Serialize)]
struct Listing {
    tenant: String,
    realm: &'static str,
    key_set: u64,
    keys: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    generation: u32,
    state: &'static str,
    created: String,
    id: String,
}

impl Listing {
    fn of(ring: &Ring) -> Self {
        let mut keys = Vec::new();
        for entry in ring.signing_keys() {
            let current =
                ring.signing(entry.usage).is_some_and(|current| current.generation == entry.generation);
            let state = match (current, ring.is_published(&entry.key.key_id())) {
                (true, _) => "current",
                (false, true) => "previous",
                (false, false) => "unused",
            };
            let id = entry.key.key_id().to_string();
            keys.push(Row::new(entry.usage.name(), entry.generation, state, entry.created, id));
        }
        if let Some(cluster) = ring.cluster() {
            let next = Some(&cluster.next);
            keys.extend(epochs(ring.context(), "cluster", cluster.previous.as_ref(), &cluster.current, next));
        }
        for (node, key) in ring.nodes() {
            let rows = epochs(ring.context(), "node", key.previous.as_ref(), &key.current, None);
            keys.extend(rows.into_iter().map(|row| Row { node: Some(node.to_string()), ..row }));
        }
        for (shared, epoch) in ring.shared() {
            keys.extend(epochs(ring.context(), shared.name(), None, epoch, None));
        }
        let Context { tenant, realm } = ring.context();
        let key_set = ring.key_set().map_or(0, |set| set.version);
        Self { tenant: tenant.to_string(), realm: realm.name(), key_set, keys }
    }
}

impl Row {
    fn new(kind: &'static str, generation: u32, state: &'static str, created: Timestamp, id: String) -> Self {
        Self { kind, node: None, generation, state, created: created.rfc3339(), id }
    }
}

fn epochs(
    context: &Context,
    kind: &'static str,
    previous: Option<&Epoch>,
    current: &Epoch,
    next: Option<&Epoch>,
) -> Vec<Row> {
    let row =
        |state, epoch: &Epoch| Row::new(kind, epoch.epoch, state, epoch.created, epoch.fingerprint(context));
    let states = [("previous", previous), ("current", Some(current)), ("next", next)];
    states.into_iter().filter_map(|(state, epoch)| epoch.map(|epoch| row(state, epoch))).collect()
}

fn finish(
    place: &Place,
    files: &DirFiles,
    plan: &Plan,
    dry_run: bool,
    out: &mut dyn Write,
) -> Result<(), CliError> {
    if !dry_run {
        plan.apply(files)?;
    }
    print_plan(place, plan, dry_run, out)
}

fn print_plan(place: &Place, plan: &Plan, dry_run: bool, out: &mut dyn Write) -> Result<(), CliError> {
    let (written, removed): (Vec<&str>, Vec<&str>) = (plan.written().collect(), plan.removed().collect());
    if place.json {
        let json = serde_json::json!({ "dry_run": dry_run, "written": written, "removed": removed });
        return print(out, &json.to_string());
    }
    let (writes, removes) = if dry_run { ("would write", "would remove") } else { ("wrote", "removed") };
    written.iter().try_for_each(|name| print(out, &format!("{writes} {name}")))?;
    removed.iter().try_for_each(|name| print(out, &format!("{removes} {name}")))
}

/// The ring of a folder that holds keys already.
fn load(files: &DirFiles, realm: Option<RealmName>) -> Result<Ring, CliError> {
    let Some(mut context) = keys::owner(files)? else {
        let what = format!("no keys in {}; `keys make` makes them", files.path().display());
        return Err(KeysError::new(KeysErrorKind::Missing, what).into());
    };
    if let Some(realm) = realm {
        context.realm = realm.into();
    }
    Ok(Ring::load(files, &context)?)
}
