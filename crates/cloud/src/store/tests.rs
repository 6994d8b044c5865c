//! Opening a store: what is fixed at birth stays, what is foreign or newer is refused untouched.

use super::*;

fn birth() -> Birth {
    Birth { tenant: TenantId::parse("acme").unwrap(), realm: Realm::Demo }
}

fn kind(result: Result<Store, CloudError>) -> CloudErrorKind {
    result.map(|_| ()).unwrap_err().kind()
}

#[test]
fn a_new_store_has_the_newest_schema_and_opens_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    for _ in 0..2 {
        let store = Store::open(&Place::File(&path), &birth()).unwrap();
        assert_eq!(pragma::<u32>(store.conn(), "user_version").unwrap(), SCHEMA_VERSION);
        assert_eq!(pragma::<String>(store.conn(), "journal_mode").unwrap(), "wal");
        assert_eq!(pragma::<i64>(store.conn(), "synchronous").unwrap(), 2, "FULL");
    }
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_newer_file_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let store = Store::open(&Place::File(&path), &birth()).unwrap();
    store.conn().pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
    store.conn().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(store);
    let before = std::fs::read(&path).unwrap();
    assert_eq!(kind(Store::open(&Place::File(&path), &birth())), CloudErrorKind::NewerStore);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_database_of_another_program_and_a_text_file_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    assert_eq!(kind(Store::open(&Place::File(&path), &birth())), CloudErrorKind::NotAStore);
    let text = dir.path().join("notes.txt");
    std::fs::write(&text, "not a database, but long enough to be read as a header of one: ".repeat(20))
        .unwrap();
    assert_eq!(kind(Store::open(&Place::File(&text), &birth())), CloudErrorKind::NotAStore);
}

#[test]
fn tenant_and_realm_are_fixed_at_birth() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    drop(Store::open(&Place::File(&path), &birth()).unwrap());
    let other_realm = Birth { realm: Realm::Production, ..birth() };
    assert_eq!(kind(Store::open(&Place::File(&path), &other_realm)), CloudErrorKind::WrongRealm);
    let other_tenant = Birth { tenant: TenantId::parse("globex").unwrap(), ..birth() };
    assert_eq!(kind(Store::open(&Place::File(&path), &other_tenant)), CloudErrorKind::WrongTenant);
    assert!(Store::open(&Place::File(&path), &birth()).is_ok());
}

#[test]
fn one_store_has_one_owner() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let first = Store::open(&Place::File(&path), &birth()).unwrap();
    let error = Store::open(&Place::File(&path), &birth()).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Storage);
    drop(first);
    assert!(Store::open(&Place::File(&path), &birth()).is_ok());
}

#[test]
fn an_interrupted_migration_starts_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    {
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch("BEGIN IMMEDIATE").unwrap();
        conn.execute_batch(MIGRATIONS[0]).unwrap();
        // Dropped without commit, as a killed process would leave it.
    }
    let store = Store::open(&Place::File(&path), &birth()).unwrap();
    assert_eq!(pragma::<u32>(store.conn(), "user_version").unwrap(), SCHEMA_VERSION);
}

#[test]
fn few_rows_that_dirty_many_pages_do_not_grow_the_log_without_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(&Place::File(&dir.path().join("cloud.db")), &birth()).unwrap();
    let (mut most, page) = (0, vec![7_u8; 1 << 20]);
    for _ in 0..300 {
        let sql = "INSERT OR REPLACE INTO meta (key, value) VALUES ('large', ?1)";
        store.conn().execute(sql, [&page]).unwrap();
        store.checkpoint_if_due().unwrap();
        most = store.log_bytes().max(most);
    }
    assert!(most <= CHECKPOINT_BYTES + LOG_BYTES_KEPT.cast_unsigned() + (4 << 20), "{most} bytes of log");
}
