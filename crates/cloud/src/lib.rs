//! The control plane: registry, decisions, features, lists, policies, audit.
