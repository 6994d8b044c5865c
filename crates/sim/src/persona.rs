//! Who answers the prompts of an app: the owner of the account, or somebody who is not.
//!
//! An owner can do what a person can: be verified by the own device, and read messages sent to the own phone. A
//! stranger can do neither, and guesses.

use crate::shop::Shop;
use glacis_dtx::UserVerification;
use glacis_sdk::Prompt;
use glacis_sdk::drive::{Reply, User};
use glacis_wire::Method;
use std::time::Duration;

/// The owner: is present, and reads the one-time passwords in the own inbox.
#[derive(Debug)]
pub struct Owner<'a> {
    shop: &'a Shop,
    name: &'a str,
    prompts: u32,
}

impl<'a> Owner<'a> {
    /// The owner of account `name`.
    pub const fn new(shop: &'a Shop, name: &'a str) -> Self {
        Self { shop, name, prompts: 0 }
    }

    /// How often this owner was asked.
    pub const fn prompts(&self) -> u32 {
        self.prompts
    }
}

impl User for Owner<'_> {
    fn prompt(&mut self, prompt: &Prompt) -> Reply {
        self.prompts += 1;
        match prompt.method {
            Method::Passkey => Reply::Verified(UserVerification::claimed_by_app(&prompt.message)),
            // The message may still be on its way when the prompt shows.
            Method::Otp => self.shop.wait_inbox(self.name, INBOX_WAIT).map_or(Reply::Declined, Reply::Code),
        }
    }
}

/// Longest that a user waits for a one-time password.
const INBOX_WAIT: Duration = Duration::from_secs(3);

/// A thief or a script: the account's inbox is not at hand, and no owner agrees to be verified.
///
/// That a software key store takes the app's word for a verified user is the middleware's stated limit
/// (`Protection::verifies_user`); an attacker who owns such a store outright is not this one.
#[derive(Debug, Default)]
pub struct Stranger {
    guesses: u32,
}

impl User for Stranger {
    /// Types a code at random, which is all that can be tried; a verified user cannot be made up.
    fn prompt(&mut self, prompt: &Prompt) -> Reply {
        self.guesses += 1;
        match prompt.method {
            Method::Otp => Reply::Code(format!("{:06}", self.guesses * 7_919 % 1_000_000)),
            Method::Passkey => Reply::Declined,
        }
    }
}
