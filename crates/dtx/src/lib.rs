//! Trusted middleware on the device: key custody, sealed storage, enrolment and sessions.
