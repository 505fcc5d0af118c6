//! A database becomes one of ours, or is found to be one: all of it in one transaction, which one gateway runs while others wait.

use super::locks;
use super::schema;
use super::session::{Failure, Kind, Session};
use super::site::Site;
use super::tx::Transaction;
use crate::error::Error;
use crate::store::OwnerError;
use crate::store::moving::{MARK, Mark};

/// Why a database is not opened.
#[derive(Debug)]
pub(super) enum OpenError {
    /// Not now. It is tried again.
    Failed(Failure),
    /// `<where>: <what>; <what to do>`. No start helps.
    Refused(String),
}

/// Brings the tables up to date, or makes them, and has the owner of the rows read and write what is theirs.
pub(super) fn prepare(session: &mut Session, site: &Site) -> Result<(), OpenError> {
    check_server(session, site)?;
    let lock = format!("BEGIN; SELECT pg_advisory_xact_lock({}, {})", schema::class(), schema::LOCK);
    session.begin(&lock).map_err(|error| failed(session, error))?;
    let prepared = migrate(session, site).and_then(|()| {
        let opened = site.owner.opened(&mut Transaction::new(session), false);
        opened.map_err(|error| match error {
            OwnerError::Refused(sentence) => OpenError::Refused(sentence),
            OwnerError::NoRoom(file) => site.refused(format!("the disk of {} is full", file.display())),
            OwnerError::Store(error) => failed(session, error),
        })
    });
    match prepared {
        Ok(()) => session.execute("COMMIT").map_err(|error| failed(session, error)),
        Err(error) => {
            let _ = session.execute("ROLLBACK");
            Err(error)
        }
    }
}

/// What no table depends on.
pub(super) fn check_server(session: &mut Session, site: &Site) -> Result<(), OpenError> {
    let ask = "SELECT current_setting('server_version_num')::bigint, current_setting('server_encoding'), \
               current_setting('transaction_read_only'), current_schema()::text";
    let rows = session.rows(ask, &[]).map_err(|error| failed(session, error))?;
    let Some(row) = rows.first() else { return Err(site.refused("it says nothing of itself".to_owned())) };
    let text = |index| row.try_get::<_, Option<String>>(index).ok().flatten();
    let version: i64 = row.try_get(0).unwrap_or_default();
    if version < schema::OLDEST_SERVER {
        let (major, least) = (version / 10_000, schema::OLDEST_SERVER / 10_000);
        return Err(
            site.refused(format!("the server is PostgreSQL {major}; the gateway needs {least} or newer"))
        );
    }
    if text(1).as_deref() != Some("UTF8") {
        let encoding = text(1).unwrap_or_default();
        return Err(site.refused(format!(
            "the encoding of the database is {encoding}, which cannot hold every name; make one with ENCODING 'UTF8', and name that one"
        )));
    }
    if text(2).as_deref() != Some("off") {
        let what = "the database takes no writes: it is a standby, or set to read only";
        let error =
            Error::new(crate::error::Code::Storage, "the outbox cannot be written").for_operator(what);
        return Err(OpenError::Failed(Failure { kind: Kind::Unwritable, error }));
    }
    if text(3).is_none() {
        return Err(site.refused(
            "the user has no schema to make tables in; give them one, or name it by `?options=-c%20search_path%3DNAME` in the URL".to_owned(),
        ));
    }
    Ok(())
}

/// What stands in a schema.
pub(super) enum Place {
    /// Nothing.
    Empty,
    /// Our tables.
    Ours {
        version: i64,
        /// The oldest version that may work on them.
        readable_by: i64,
    },
    /// Our tables, of this version or an older one, which a copy has put out of use.
    OutOfUse(Mark),
}

/// Looks at the schema; one that has tables of another program is refused.
pub(super) fn found(session: &mut Session, site: &Site) -> Result<Place, OpenError> {
    let failed = |session: &mut Session, error| failed(session, error);
    let count = "SELECT count(*) FILTER (WHERE relname=$1), count(*) FROM pg_class \
                 WHERE relnamespace=current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f') \
                 AND NOT EXISTS (SELECT FROM pg_depend WHERE classid='pg_class'::regclass AND objid=pg_class.oid AND deptype='e')";
    let rows = session.rows(count, &[&schema::MARK]).map_err(|error| failed(session, error))?;
    let counts = rows.first().map(|row| (row.try_get::<_, i64>(0).ok(), row.try_get::<_, i64>(1).ok()));
    match counts {
        Some((Some(0), Some(0))) => return Ok(Place::Empty),
        Some((Some(0), _)) => {
            return Err(site.refused(
                "another program has its tables here; make a database or a schema for the outbox alone, and name that one".to_owned(),
            ));
        }
        _ => {}
    }
    let ask = format!("SELECT version, readable_by FROM {}", schema::MARK);
    let rows = session.rows(&ask, &[]).map_err(|error| failed(session, error))?;
    let number = |index| rows.first().and_then(|row| row.try_get::<_, i64>(index).ok());
    let (version, readable_by) = (number(0).unwrap_or(0), number(1).unwrap_or(schema::OUT_OF_USE));
    match out_of_use(session).map_err(|error| failed(session, error))? {
        Some(mark) if version <= schema::newest() => Ok(Place::OutOfUse(mark)),
        _ => Ok(Place::Ours { version, readable_by }),
    }
}

/// Why our tables are out of use, if they are.
pub(super) fn out_of_use(session: &mut Session) -> crate::error::Result<Option<Mark>> {
    let ask = format!("SELECT sealed FROM {} LEFT JOIN meta ON name=$1 WHERE readable_by=$2", schema::MARK);
    let rows = session.rows(&ask, &[&MARK, &schema::OUT_OF_USE])?;
    let mark = rows.first().map(|row| row.try_get::<_, Option<Vec<u8>>>(0)).transpose()?;
    Ok(mark.map(|kept| Mark::of(&kept.unwrap_or_default())))
}

fn migrate(session: &mut Session, site: &Site) -> Result<(), OpenError> {
    let failed = |session: &mut Session, error| failed(session, error);
    let seen = match found(session, site)? {
        Place::Empty => 0,
        Place::Ours { version, readable_by } => {
            schema::check_readable(readable_by).map_err(|what| site.refused(what))?;
            version
        }
        Place::OutOfUse(mark) => return Err(site.refused(mark.words())),
    };
    let (done, newest) = (usize::try_from(seen).unwrap_or(0), site.migrations.len());
    if done < newest {
        check_may_create(session, site)?;
        // What other gateways have under way would be in its way, and it in theirs.
        session.execute(&locks::alone()).map_err(|error| failed(session, error))?;
        // They stand meanwhile, and must not stand until a dump has ended.
        session.execute("SET LOCAL lock_timeout='3s'").map_err(|error| failed(session, error))?;
    }
    for migration in site.migrations.iter().skip(done) {
        session.execute(migration).map_err(|error| failed(session, error))?;
    }
    if done < newest {
        let mark = format!("UPDATE {} SET version={newest}", schema::MARK);
        session.execute(&mark).map_err(|error| failed(session, error))?;
    }
    Ok(())
}

/// The statement that lets the user make tables in the schema, where they may not.
pub(super) const LACKS_CREATE: &str = "SELECT CASE current_schema() \
     WHEN 'public' THEN format('ALTER DATABASE %I OWNER TO %I', current_database(), current_user) \
     ELSE format('ALTER SCHEMA %I OWNER TO %I', current_schema(), current_user) END \
     WHERE NOT has_schema_privilege(current_schema(), 'CREATE')";
/// What is wrong then.
pub(super) const NO_CREATE: &str = "the user may not make the tables of the outbox";
/// What to do about it; `statement` is the answer to [`LACKS_CREATE`].
pub(super) fn let_create(statement: &str) -> String {
    format!("have an administrator of the database run `{statement}`")
}

fn check_may_create(session: &mut Session, site: &Site) -> Result<(), OpenError> {
    let rows = session.rows(LACKS_CREATE, &[]).map_err(|error| failed(session, error))?;
    match rows.first().and_then(|row| row.try_get::<_, String>(0).ok()) {
        Some(statement) => Err(site.refused(format!("{NO_CREATE}; {}", let_create(&statement)))),
        None => Ok(()),
    }
}

fn failed(session: &mut Session, error: Error) -> OpenError {
    match session.take_failure() {
        // Nothing that is tried again helps against a statement that the server does not accept.
        Some(failure) if failure.kind == Kind::Refused => OpenError::Refused(words(&failure.error)),
        Some(failure) => OpenError::Failed(failure),
        None => OpenError::Refused(words(&error)),
    }
}

fn words(error: &Error) -> String {
    let what = error.operator_detail().unwrap_or_else(|| error.detail());
    format!("the database refuses a statement ({what}); look at its log")
}
