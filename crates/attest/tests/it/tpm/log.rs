//! Logs of real machines: every row of the corpus, replayed to the registers that its source states, and what it proves.
//!
//! Registers are from `server/eventlog_test.go` of google/go-tpm-tools (0, 4 and 7 of the bank); what a log proves is by
//! clause of the PC Client Platform Firmware Profile, where the source expects something else the row says so.

use crate::corpus;
use glacis_attest::tpm::EventLog;

/// A log, the bank that is replayed, and what is known.
struct Row {
    file: &'static str,
    bank: u16,
    /// Registers 0, 4 and 7; none where the source states none.
    registers: Option<[&'static str; 3]>,
    secure_boot: Option<bool>,
    loaders: &'static [&'static str],
    authorities: usize,
    left_firmware: bool,
    faults: &'static [&'static str],
}

const SHA1: u16 = 0x0004;
const SHA256: u16 = 0x000b;
/// A variable of no bytes is not there (UEFI 2.10, §8.2); a state of secure boot is one byte (§32.2.1).
const NO_STATE: &str = "register 7 does not begin with the state of secure boot";

#[rustfmt::skip]
const ROWS: &[Row] = &[
    // The source: "SecureBoot data len is 0, expected 1".
    Row { file: "go-tpm-tools/eventlogs/arch-linux-workstation.bin", bank: SHA256, registers: Some(["758b773d94feabf52ef5a4c00a7ad2c80d8d6e6d9d58756150be9bc973da9087", "925d453d3dfef4ac0c72c957402163d45fa95d05e6d53f047263a3a60b598325", "3b4a4db44b7a872524055364e62e897ae678e0d47ab0809f65c3a4ed77f66ab9"]), secure_boot: None, loaders: &[], authorities: 0, left_firmware: false, faults: &[NO_STATE] },
    Row { file: "go-tpm-tools/eventlogs/cos-85-amd-sev.bin", bank: SHA256, registers: Some(["0f35c214608d93c7a6e68ae7359b4a8be5a0e99eea9107ece427c4dea4e439cf", "d690bdac2aa8b73a1d718cb91990df07d0747b07ea57b3b2d0f0d511f0d90491", "3365d7fa2b024c852913c06e04ffbfa6ea5289f743bbf1a76f7ffdf21ed84793"]), secure_boot: Some(true), loaders: &["dba8d69ffb244496ac8ab2950695d3da539d6ac5ec660fc6b4bdde245284cf23", "f7bad83f87940312e4642530a9a6242e88529dc37a497d7d4e7c1c070566d542", "6f6afb3caed004e727200a0c310731bd8ab4cd391b2d95cedf67d08e1e8e5e7e"], authorities: 3, left_firmware: true, faults: &[] },
    Row { file: "go-tpm-tools/eventlogs/cos-93-amd-sev.bin", bank: SHA256, registers: Some(["0f35c214608d93c7a6e68ae7359b4a8be5a0e99eea9107ece427c4dea4e439cf", "871e8343044ae4c87b402dcb94b5e49715b1b8dc1b19c43ba0801422fabb39d4", "3365d7fa2b024c852913c06e04ffbfa6ea5289f743bbf1a76f7ffdf21ed84793"]), secure_boot: Some(true), loaders: &["27cce48e55b3bfb6eb6206a4cc2b53a497846496a6264495006ab28dffa5623e", "e3e226fb8c8e3b3fdb56c706a0fbfda080f34068aef5a1889c1bfa95f04c2e72", "dc0aca594caee03705bcfa817e7f666692d89b713815f4793b7abbc2a0e00b6c"], authorities: 3, left_firmware: true, faults: &[] },
    // A log of TPM 1.2's form, although its machine had a TPM 2.0.
    Row { file: "go-tpm-tools/eventlogs/debian-10.bin", bank: SHA1, registers: Some(["0f2d3a2a1adaa479aeeca8f5df76aadc41b862ea", "1eb30816474a3f144e99b24e4ad480b2e51fd9e1", "9e6c57e850f371c2a7fe02bca552149363952318"]), secure_boot: Some(true), loaders: &["47263679db883d7ad9adbc93d6a1fbf8095f0133", "3fae23b18d72350207661af3875f2c492e97621c", "89b08941b47dcfbd4c8b3f2bc0fad984cd836b21"], authorities: 2, left_firmware: false, faults: &[] },
    // Its first register starts with locality 3 (§9.4.5.3).
    Row { file: "go-tpm-tools/eventlogs/glinux-alex.bin", bank: SHA256, registers: Some(["0e5ea849d7647a1ac1becc096fee4df98f00f8015f934afadaab0b8aa20b38a5", "ddb124ca9013f1e42f98537f7f381e47c5e6caa988cf2b4088f452c5a8dd912d", "9d1be46302bc4f5055c90a0376d9142e397ca8744f387c9824170f1bc855fde5"]), secure_boot: Some(false), loaders: &[], authorities: 0, left_firmware: false, faults: &[] },
    Row { file: "go-tpm-tools/eventlogs/ubuntu-1804-amd-sev.bin", bank: SHA256, registers: Some(["0f35c214608d93c7a6e68ae7359b4a8be5a0e99eea9107ece427c4dea4e439cf", "b4b94e840fc9352e20bdb5b456b4c242af0fb146755b6935d8eda000ea368a31", "61af3f499f1a86be54458fd30d193fa913a7e23ca3103fa3d0abaefd3cd4f9b8"]), secure_boot: Some(false), loaders: &["2ea4cb6a1f1eb1d3dce82d54fde26ded243ba3e18de7c6d211902a594fe56788", "835f940e97bac2f7c171819b1fcc4bebe72a1c4ea7d7245088ef32d253085bb3"], authorities: 0, left_firmware: true, faults: &[] },
    // The source's parser takes shim's generations for a certificate and fails; they are none (shim's SBAT).
    Row { file: "go-tpm-tools/eventlogs/ubuntu-2104-no-dbx.bin", bank: SHA256, registers: Some(["24af52a4f429b71a3184a6d64cddad17e54ea030e2aa6576bf3a5a3d8bd3328f", "295aeaeacad1d507930bab18418f905eeda633ea67b2ab94c5e5fd3a4d47ac58", "ca37324eeffabd318d30a20f15bf27ce25dc33e2c9856279ff6c2ced58b02efa"]), secure_boot: Some(false), loaders: &["d99c93fcb042dbe52707bbde371c75fcf081dd5b0c88a195d44cc57536f6f521", "b0a836fec2faf4a9bea0e1a5f1945bc86ddc03ac98ce0ae172ed9b1e536d7595"], authorities: 0, left_firmware: true, faults: &[] },
    Row { file: "go-tpm-tools/eventlogs/ubuntu-2104-no-secure-boot.bin", bank: SHA256, registers: Some(["24af52a4f429b71a3184a6d64cddad17e54ea030e2aa6576bf3a5a3d8bd3328f", "ebc7ae25d0347868250995c9a8fff16bf79e048453262d0ef2756e213c76181c", "0d8847bc5eca06452df10e2f214363845c7ac11d47525a5474e225e72ce25dfe"]), secure_boot: Some(false), loaders: &["6265b732b005b3f330bcd1843374e5ec6ec5aef27cdb97a23daeb8580abbf526", "b0a836fec2faf4a9bea0e1a5f1945bc86ddc03ac98ce0ae172ed9b1e536d7595"], authorities: 0, left_firmware: true, faults: &[] },
    // These two state no registers in the source as it is stored; they have events of SP 800-155, which measure nothing.
    Row { file: "go-tpm-tools/eventlogs/confidential-gke-debug-251000_eventlog.bin", bank: SHA256, registers: None, secure_boot: Some(true), loaders: &[], authorities: 2, left_firmware: true, faults: &[] },
    Row { file: "go-tpm-tools/eventlogs/eventlogwithsp800155.bin", bank: SHA256, registers: None, secure_boot: Some(true), loaders: &[], authorities: 2, left_firmware: true, faults: &[] },
    Row { file: "go-attestation/crypto_agile_eventlog", bank: SHA256, registers: None, secure_boot: None, loaders: &[], authorities: 0, left_firmware: false, faults: &[NO_STATE] },
    // The source wants the missing end of the firmware flagged: `left_firmware` says it.
    Row { file: "go-attestation/ebs_event_missing_eventlog", bank: SHA1, registers: None, secure_boot: Some(false), loaders: &[], authorities: 0, left_firmware: false, faults: &[] },
    // Cut to what its test needs: only register 7 has its separator, so the state holds and the boot is not verified.
    Row { file: "go-attestation/sb_cert_eventlog", bank: SHA1, registers: None, secure_boot: Some(true), loaders: &[], authorities: 3, left_firmware: false, faults: &["a register without a separator"] },
    Row { file: "go-attestation/short_no_action_eventlog", bank: SHA1, registers: None, secure_boot: None, loaders: &[], authorities: 0, left_firmware: false, faults: &["a register without a separator"] },
    Row { file: "go-attestation/ubuntu_2104_shielded_vm_no_secure_boot_eventlog", bank: SHA256, registers: None, secure_boot: Some(false), loaders: &["6265b732b005b3f330bcd1843374e5ec6ec5aef27cdb97a23daeb8580abbf526", "b0a836fec2faf4a9bea0e1a5f1945bc86ddc03ac98ce0ae172ed9b1e536d7595"], authorities: 0, left_firmware: true, faults: &[] },
    Row { file: "keylime/binary_bios_measurements", bank: SHA256, registers: None, secure_boot: Some(false), loaders: &[], authorities: 0, left_firmware: false, faults: &[] },
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn logs_of_real_machines_replay_and_say_what_was_booted() {
    for row in ROWS {
        let Some(bytes) = corpus::bytes(&format!("tpm/{}", row.file)) else { return };
        let log = EventLog::parse(&bytes).unwrap_or_else(|error| panic!("{}: {error}", row.file));
        assert!(log.banks().contains(&row.bank), "{}: {:?}", row.file, log.banks());
        let values = log.replay(row.bank);
        if let Some(registers) = row.registers {
            let ours = [0, 4, 7].map(|index: usize| hex(values[index].as_ref().unwrap()));
            assert_eq!(ours, registers.map(str::to_owned), "{}", row.file);
        }
        let boot = log.boot(row.bank, |_| true);
        let loaders: Vec<String> = boot.loaders.iter().map(|digest| hex(digest)).collect();
        let got = (boot.secure_boot, boot.authorities.len(), boot.left_firmware, &*boot.faults);
        println!("{} events {} {got:?} {loaders:?}", row.file, log.len());
        assert_eq!(got, (row.secure_boot, row.authorities, row.left_firmware, row.faults), "{}", row.file);
        if !row.loaders.is_empty() {
            assert_eq!(loaders, row.loaders, "{}", row.file);
        }
        assert!(!boot.debugger, "{}", row.file);
        // Nothing counts of registers that do not replay.
        assert_eq!(log.boot(row.bank, |_| false), glacis_attest::tpm::Boot::default());
        // Cut anywhere it is no log, or one of fewer events.
        for length in (0..bytes.len()).step_by(97) {
            if let Ok(shorter) = EventLog::parse(&bytes[..length]) {
                assert!(shorter.len() <= log.len());
            }
        }
    }
}

#[test]
fn what_is_no_log_is_refused() {
    let Some(bogus) = corpus::bytes("tpm/keylime/binary_bios_measurements-bogus") else { return };
    assert!(EventLog::parse(&bogus).is_err());
    for bad in [&b""[..], &[0; 31], &[0xff; 64]] {
        assert!(EventLog::parse(bad).is_err());
    }
    // A log of one event that measures nothing is one.
    let short = corpus::bytes("tpm/go-attestation/short_no_action_eventlog").unwrap();
    assert!(EventLog::parse(&short).is_ok());
    for length in 0..short.len() {
        assert!(EventLog::parse(&short[..length]).is_err(), "{length}");
    }
}
