//! Every size that crosses a boundary has its limit here (invariant 5).
//!
//! A limit is asserted when encoding *and* when decoding. Units are bytes unless the name says otherwise.
//! A limit that only one zone knows (connections, table sizes, queues) stays in that zone's configuration.

/// Longest tenant id. Range of a tenant id: 1..=32 characters of `[a-z0-9-]`.
pub const TENANT_BYTES_MAX: usize = 32;
/// Longest name of an app. Unit: bytes.
pub const APP_BYTES_MAX: usize = 128;
/// Longest dotted name: signal, event, rule, list, node.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest string or byte value of one signal.
pub const VALUE_BYTES_MAX: usize = 4_096;
/// Most items in one list value.
pub const LIST_ITEMS_MAX: usize = 1_024;
/// Most release nodes in one disclosure layout.
pub const NODES_MAX: usize = 256;
/// Most declared values in one disclosure layout.
pub const RELEASED_VALUES_MAX: usize = 32;
/// Longest encoded disclosure; it travels in one HTTP header.
pub const DISCLOSURE_BYTES_MAX: usize = 4_096;
/// Most signals that one record or decision request carries.
pub const SIGNALS_MAX: usize = 256;
/// Most rules in one policy.
pub const RULES_MAX: usize = 2_048;
/// Longest reason code.
pub const REASON_BYTES_MAX: usize = 64;
/// Longest encoded slice.
pub const SLICE_BYTES_MAX: usize = 4 << 20;
/// Most slices in one signed bundle.
pub const BUNDLE_SLICES_MAX: usize = 256;
/// Longest signed bundle.
pub const BUNDLE_BYTES_MAX: usize = 16 << 20;
/// Longest evidence that a device may send when it enrols.
pub const EVIDENCE_BYTES_MAX: usize = 64 << 10;
/// Longest assertion of a passkey, as a browser gives it. Source: real ones have about 1 kB.
pub const ASSERTION_BYTES_MAX: usize = 16 << 10;
/// Longest name of a partner that devices come from.
pub const PARTNER_BYTES_MAX: usize = 64;
/// Longest X.509 certificate in evidence.
pub const CERTIFICATE_BYTES_MAX: usize = 4_096;
/// Most certificates in one chain of evidence.
pub const CERTIFICATES_MAX: usize = 8;
/// Longest structure of a TPM: public area, attestation, signature, credential. Source: a key of 4,096 bits and
/// room for its frame.
pub const TPM_BYTES_MAX: usize = 1_024;
/// Longest log of measured boot in evidence. Source: logs of 14 machines have 14 kB to 49 kB.
pub const EVENT_LOG_BYTES_MAX: usize = 52 << 10;
/// Most registers in one quote: all 24 of a PC client TPM in two banks, and some room.
pub const PCRS_MAX: usize = 64;
/// Longest anchored key in collateral: RSA of 8,192 bits and its frame.
pub const ANCHOR_BYTES_MAX: usize = 1_200;
/// Most anchored keys in one collateral; all makers of TPMs together have fewer than 200.
pub const ANCHORS_MAX: usize = 1_024;
/// Most serials in one revocation list. Source: the published one has about 2,000.
pub const REVOKED_MAX: usize = 200_000;
/// Longest serial as text: 20 bytes (RFC 5280 §4.1.2.2) have 49 decimal digits.
pub const SERIAL_TEXT_BYTES_MAX: usize = 64;
/// Longest verified-boot key in collateral: evidence states a digest, old devices the key.
pub const BOOT_KEY_BYTES_MAX: usize = 1_200;
/// Most apps, sites, systems, authorities or ceilings of one kind in one collateral.
pub const REFERENCES_MAX: usize = 1_024;
/// Longest session ticket; it travels in one HTTP header.
pub const TICKET_BYTES_MAX: usize = 1_024;
/// Longest challenge proof; it travels in one HTTP header.
pub const PROOF_BYTES_MAX: usize = 512;
/// Longest principal (a user id as its declared source names it).
pub const PRINCIPAL_BYTES_MAX: usize = 128;
/// Longest name of an operator or of what was done.
pub const OPERATOR_NAME_BYTES_MAX: usize = 64;
/// Longest description of what an operator did.
pub const OPERATOR_DETAIL_BYTES_MAX: usize = 2_048;
/// Most records in one batch.
pub const BATCH_RECORDS_MAX: usize = 1_024;
/// Longest encoded record.
pub const RECORD_BYTES_MAX: usize = 64 << 10;
/// Most entries in one revocation feed.
pub const FEED_ENTRIES_MAX: usize = 100_000;
/// Longest message of one of our own endpoints that is not a bundle or feed.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Longest feed message.
pub const FEED_BYTES_MAX: usize = 8 << 20;
/// Deepest nesting of an expression; checked by parser, encoder and loader.
pub const DEPTH_MAX: usize = 64;
/// Times one event may be decided anew by a fresh challenge proof. Source: DESIGN §5.3.
pub const DECISIONS_PER_EVENT_MAX: u8 = 4;
