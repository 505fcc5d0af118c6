//! Values of a statement as the server takes them, which outlive what they were made of.

use std::error::Error as StdError;
use std::fmt;

use bytes::BytesMut;
use tokio_postgres::Statement;
use tokio_postgres::types::{IsNull, ToSql, Type};

use super::session::{Failure, Kind, Values};
use crate::error::{Code, Error, Result};

/// A value in the binary format of its type; `None`: NULL.
pub(super) struct Encoded(Option<BytesMut>);

impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encoded")
    }
}

impl ToSql for Encoded {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        let Some(value) = &self.0 else { return Ok(IsNull::Yes) };
        out.extend_from_slice(value);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(
        &self,
        of: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        self.to_sql(of, out)
    }
}

/// The `values` of `statement`.
pub(super) fn encode(statement: &Statement, values: Values<'_>) -> Result<Vec<Encoded>, Failure> {
    let encoded = statement.params().iter().zip(values).map(|(of, value)| {
        let mut bytes = BytesMut::new();
        let is_null = matches!(value.to_sql_checked(of, &mut bytes)?, IsNull::Yes);
        Ok(Encoded((!is_null).then_some(bytes)))
    });
    let encoded: Result<_, Box<dyn StdError + Sync + Send>> = encoded.collect();
    encoded.map_err(|error| {
        let error = Error::new(Code::Bug, "the outbox refuses a statement").for_operator(error.to_string());
        Failure { kind: Kind::Refused, error }
    })
}
