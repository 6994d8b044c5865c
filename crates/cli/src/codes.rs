//! The codes of this command's own errors: what each means, which exit code it has, what to do about it.
//!
//! One table, and nothing else decides an exit code. Codes of diagnostics about policies (`G1…` to `G6…`) are the
//! compiler's ([`glacis_compiler::codes`]); here are `G7…` for usage and configuration, `G8…` for connection and
//! permission, `G9…` for the installation. A code is never given a second meaning.

/// Done, and the answer is no; or the work failed.
pub(crate) const FAILED: u8 = 1;
/// Wrong usage.
pub(crate) const USAGE: u8 = 2;
/// Not permitted.
pub(crate) const NOT_PERMITTED: u8 = 3;
/// Not found, or in conflict with what there is.
pub(crate) const NOT_FOUND: u8 = 4;
/// Unreachable.
pub(crate) const UNREACHABLE: u8 = 5;

/// Declares the codes: variant, code, exit code, title, cause, remedy.
macro_rules! codes {
    ($($name:ident $code:literal $exit:ident $title:literal, $cause:literal, $remedy:literal;)*) => {
        /// One kind of error of this command.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $title] $name,)*
        }

        impl Code {
            /// Every code, ascending.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable code: `G` and four digits.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// The documented exit code.
            pub const fn exit(self) -> u8 {
                match self { $(Self::$name => $exit),* }
            }

            /// What it is, in a few words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }

            /// How it comes about.
            pub const fn cause(self) -> &'static str {
                match self { $(Self::$name => $cause),* }
            }

            /// What to do about it, where the error itself does not know better.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy),* }
            }
        }
    };
}

codes! {
    Usage "G7001" USAGE "wrong usage",
        "The arguments do not make a command: one is unknown, missing, or not of its form.",
        "Run the same command with --help.";
    Argument "G7002" USAGE "unusable argument",
        "An argument has the right form and cannot be used here.",
        "Correct it as the message says; --help names the form.";
    UnknownCode "G7003" NOT_FOUND "no such error code",
        "No error of this version has this code.",
        "`glacis explain-error --list` prints all codes.";
    PolicyFolder "G7010" NOT_FOUND "policy folder cannot be read",
        "A policy is a folder with policy.toml, and with cases.toml where it has cases; signals.toml stands in it or in the folder above.",
        "Name the folder that holds policy.toml, and look at its permissions.";
    PolicyInvalid "G7011" FAILED "policy does not compile",
        "The compiler refuses the policy; its diagnostics have codes of their own.",
        "`glacis policy check DIR` shows every diagnostic with its place.";
    CasesFail "G7012" FAILED "cases do not hold",
        "A policy decides otherwise than its cases.toml says. Such a policy is not published.",
        "`glacis policy test DIR` shows what differs.";
    EventsFile "G7013" NOT_FOUND "file of a backtest cannot be read",
        "The policy, its mapping or the file of past events is not there, or may not be read.",
        "Look at the path that the message names.";
    EventsBroken "G7014" FAILED "past events cannot be read to their end",
        "The file is cut, damaged, no UTF-8, lacks a column, or has a record over the limit. A report on a part of a file would pass for one on the whole, so there is none.",
        "Repair or fetch the file again; the message names the line.";
    Mapping "G7015" USAGE "mapping refused",
        "events.toml does not say how columns become signals, or it would make a signal of the label or the id.",
        "Correct it as the message says; docs/guide/backtest.md has every key.";
    ModelFile "G7016" NOT_FOUND "file of a model cannot be read or written",
        "The file is not there, or may not be read; or the folder of --out is not there, or may not be written.",
        "Look at the path that the message names.";
    ModelRefused "G7017" FAILED "model cannot be imported",
        "The file is not the library's JSON of --format, or its trees mean something that a model cannot: categorical splits, dart, several classes, another objective.",
        "Change the training as the message says and save the model again; docs/guide/models.md lists what is imported.";
    ModelBroken "G7018" FAILED "not a model",
        "The bytes are damaged, cut, of another version, or no model at all.",
        "Make the model again with `glacis model import`.";
    CelFolder "G7019" NOT_FOUND "conformance cases cannot be read",
        "The folder is not there, may not be read, or holds no file of cases (*.json).",
        "Name the folder that holds the files, or the one that holds it as `json`.";
    Config "G7020" USAGE "configuration refused",
        "A configuration file, an address or a policy of an installation is not what it must be.",
        "Correct it at the place that the message names; docs/samples has working files.";
    CelCases "G7021" FAILED "not a file of conformance cases",
        "The file is too long, not UTF-8, not JSON, or not of the form that docs/reference/cel.md describes.",
        "Make the file anew; the message names what is missing.";
    NotProven "G7022" FAILED "policy is not proven",
        "The slices that would be signed do not mean what the policy says, or a limit of the proof was reached before that was known. Such a policy is not published.",
        "`glacis policy prove DIR` shows every reason. A refuted policy is a fault of this program: report it. Beyond a limit, split the rule that is named.";
    EvidenceFile "G7023" NOT_FOUND "evidence cannot be read",
        "The file or folder is not there, or may not be read.",
        "Look at the path that the message names.";
    Unreachable "G8001" UNREACHABLE "nobody answers",
        "Nothing listens at the control socket of the data folder, or at the URL.",
        "Start `glacis serve` or `glacis protect`, or name the right --data-dir or --url.";
    Timeout "G8002" UNREACHABLE "no answer in time",
        "The connection stands, but the answer did not come within --timeout.",
        "Try again, with a longer --timeout if the store is large. Look with `glacis status` whether a change was made.";
    BadAnswer "G8003" UNREACHABLE "answer that makes no sense",
        "What answered is not this version of Glacis: the answer is too long, not JSON, or not of the form that was asked for.",
        "Look at what listens there; use one version of Glacis on both sides.";
    TokenRefused "G8004" NOT_PERMITTED "token refused",
        "The bearer token is missing, unknown, expired or revoked. The service does not say which.",
        "Make a token with `glacis token create` on the machine of the installation, and name its file with --token-file.";
    Forbidden "G8005" NOT_PERMITTED "not permitted",
        "The token is good but does not carry the scope of this command.",
        "Make a token with the scope that the message names.";
    SignatureRefused "G8006" NOT_PERMITTED "signature refused",
        "A publish is not signed by a policy key that is in force in this tenant and realm.",
        "Name the folder with the keys of this installation: --keys DIR.";
    TokenFile "G8007" NOT_PERMITTED "token file unusable",
        "The file of the token cannot be read, is empty or too long, or others may read it.",
        "chmod 600 FILE; it holds the token on one line.";
    NotFound "G8010" NOT_FOUND "not found",
        "What was asked for does not exist there.",
        "Correct the name: `list show`, `devices list`, `token list`, `policy list` and `events tail` say what there is.";
    Conflict "G8011" NOT_FOUND "conflict",
        "The change contradicts what is there: it exists already, or somebody else was faster.",
        "Look at what is there now and try again.";
    Invalid "G8012" USAGE "input refused",
        "The service does not take this input; the message says which rule it breaks.",
        "Correct the input.";
    PolicyRefused "G8013" FAILED "policy refused",
        "The service compiled the policy itself and refuses it, or what is signed is not what the sources give.",
        "Use one version of Glacis on both sides; `glacis policy check DIR` shows diagnostics.";
    TooLarge "G8014" FAILED "too large",
        "The input is over a limit of the service.",
        "Send less at once.";
    Overloaded "G8015" UNREACHABLE "cannot answer now",
        "The service is overloaded or its store has stopped after a failed write.",
        "Try again; `glacis status` and the service's log say whether its store stopped.";
    ServerFault "G8016" FAILED "the service failed",
        "The service could not do its work: its store is full, damaged or cannot be read.",
        "Read the service's log; it has the cause.";
    KeysRealm "G9001" NOT_PERMITTED "keys of another realm or tenant",
        "Demo keys are never used in production, nor one tenant's for another.",
        "Name the folder with the right keys, or make keys with `glacis keys make`.";
    KeysPermission "G9002" NOT_PERMITTED "keys not accessible",
        "The folder of the keys, or a file in it, cannot be read or written by this user.",
        "Run the command as the owner of the folder.";
    KeysMissing "G9003" NOT_FOUND "no such key",
        "The folder holds no keys, or not the one that is needed.",
        "`glacis keys list --dir DIR` shows which there are; `glacis keys make` makes them.";
    KeysExist "G9004" NOT_FOUND "keys exist already",
        "Keys are never overwritten.",
        "`glacis keys rotate` replaces one; a new installation takes a new folder.";
    InUse "G9005" NOT_FOUND "folder in use",
        "Another process owns the folder.",
        "Wait for it to end, or use another folder.";
    KeysBroken "G9006" FAILED "key file damaged",
        "A key file is not what its name says, or its signature does not hold.",
        "Restore the folder from a backup.";
    KeysFailed "G9007" FAILED "keys could not be made or stored",
        "The disk, the entropy or the cryptography failed.",
        "Look at the disk; the message has what the system said.";
    NotPrivate "G9008" NOT_PERMITTED "others may read or write it",
        "A folder or file with secrets must be its owner's alone.",
        "chmod 700 the folder, chmod 600 the file.";
    NoFolder "G9009" NOT_FOUND "no such folder",
        "The folder does not exist.",
        "Name an existing folder.";
    Demo "G9020" FAILED "the demo could not run",
        "A part of the demo did not start, or a file could not be written.",
        "The message names the part; `glacis demo --log info` tells more.";
    StoreForeign "G9030" NOT_PERMITTED "installation of somebody else",
        "Folder, keys or store are readable by others, or of another tenant or realm.",
        "Name the right data folder; chmod 700 it if it is the right one.";
    InstallationLacks "G9031" NOT_FOUND "installation incomplete",
        "The data folder, a key or a file of the installation is not there.",
        "Name the right data folder, or make its keys with `glacis keys make`.";
    StoreStopped "G9032" FAILED "store stopped",
        "The disk refused a write. What was acknowledged is kept; nothing is written again by this process.",
        "Check the disk, then start the process again: it reads what is really on the disk.";
    ServeFailed "G9033" FAILED "installation does not run",
        "A part of the installation did not start, or failed while it ran; the message names it.",
        "Remove the cause that the message names and start it again.";
    DeviceMissing "G9050" NOT_FOUND "not enrolled",
        "The folder holds no enrolled device.",
        "`glacis device enrol --url http://EDGE` makes one; --dir names its folder.";
    DeviceExists "G9051" NOT_FOUND "enrolled elsewhere",
        "The folder holds a device that is enrolled at another edge.",
        "Use another --dir, or end the present one with `glacis device forget`.";
    DeviceBroken "G9052" FAILED "device folder does not open",
        "A sealed record was changed, cut, or put back from an older copy, or the storage key is gone.",
        "`glacis device forget` removes what is left; then enrol again.";
    DeviceUnpinned "G9053" USAGE "no key set to trust",
        "A device believes nothing that is not signed under a key set that it was given first.",
        "Give --key-set FILE or --pin SHA256 from the installation; --trust-first-use believes whoever answers.";
    DevicePin "G9054" NOT_PERMITTED "another key set than the one to trust",
        "What answers, or the folder, belongs to another installation than the key set that was given.",
        "Compare with `glacis keys fingerprint` at the installation; do not go on before you know which is right.";
    DeviceClock "G9055" FAILED "clocks disagree",
        "Signatures and verdicts live for seconds. The clock of this machine or of the edge is wrong.",
        "Set both clocks (NTP), then try again.";
    DeviceRefused "G9056" FAILED "refused by the edge",
        "The edge refused the request before any decision.",
        "The message names the refusal; with its reference the operator finds it.";
    DeviceAnswer "G9057" FAILED "answer that cannot be verified",
        "No verdict under the session's key, or one about another request. It counts as a refusal.",
        "Ask the edge itself, and not through something that changes answers; after `--renew` verify with new headers.";
    DeviceKeys "G9058" FAILED "key store failed",
        "The store that keeps the device's keys is not there, refuses, or does not do what it should.",
        "The message says what the store said; `glacis device keys` shows which store it is.";
    DeviceStore "G9059" NOT_PERMITTED "no key store is good enough",
        "None of the key stores that were named is worth what --require demands.",
        "Name a better store with --keys, or demand less; a weaker one is never taken in silence.";
    DeviceKeyEnded "G9060" NOT_PERMITTED "key signs no more",
        "The key was revoked, is past its end, or has no use left.",
        "`glacis device keys` shows it; `glacis device keys renew NAME` makes a new one.";
    DeviceUnlike "G9061" NOT_FOUND "keys are in another store",
        "The keys of this device were made in another key store, which alone can use them.",
        "Name that store, or end the device with `glacis device wipe` and begin anew.";
    DeviceUnasked "G9062" USAGE "not without asking",
        "The command destroys what cannot be had again, and nobody confirmed it.",
        "Answer its question, or give --yes.";
    Output "G9090" FAILED "cannot write the output",
        "Standard output cannot be written: the disk behind it is full, or its reader failed.",
        "Send the output elsewhere.";
    Internal "G9099" FAILED "internal fault",
        "The command met a state that it should not be able to meet.",
        "Please report it with the exact command.";
}
