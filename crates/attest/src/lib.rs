//! Verifiers of attestation evidence: bytes, anchors and a time in, one appraisal out.
