//! The codes of MOSIP's packet manager (`PacketUtilityErrorCodes.java`, `ErrorCode.java`) and of the workflow of its registration processor
//! (`PlatformErrorMessages.java`).

use super::Meaning;
use crate::error::Fault;

/// The row of `code`, or of its family. `None` where it is not a code of these two.
pub(super) fn meaning(code: &str) -> Option<Meaning> {
    ROWS.iter().find(|(row, _)| code.starts_with(row)).map(|&(_, meaning)| meaning)
}

/// Whether the workflow knows the registration already. It is the answer to a repeat whose first answer was lost.
pub(crate) fn was_here_before(code: &str) -> bool {
    // `WorkflowInstance already present`
    code == "RPR-WIS-001"
}

const fn failure(fault: Fault, operator: &'static str) -> Meaning {
    Meaning {
        fault,
        retryable: true,
        is_verdict: false,
        pointer: None,
        registrar: "Nothing is wrong with the record.",
        operator,
    }
}

const AT_PACKET_MANAGER: &str =
    "MOSIP's packet manager failed, and its log says why. The registration is tried again by itself.";

const AT_WORKFLOW: &str = "The workflow of MOSIP's registration processor failed, and its log says why. The registration is tried again by itself.";

/// The first row counts whose code the code begins with.
#[rustfmt::skip]
const ROWS: [(&str, Meaning); 17] = [
    ("KER-PUT-005", failure(Fault::Upstream, "MOSIP's packet manager cannot reach another service of MOSIP. Tell the MOSIP administrator; the registration is tried again by itself.")),
    ("KER-PUT-006", failure(Fault::Partner, SOURCE_AND_PROCESS)),
    ("KER-PUT-010", failure(Fault::Upstream, CRYPTOGRAPHY)),
    ("KER-PUT-013", failure(Fault::Upstream, OBJECT_STORE)),
    ("KER-PUT-015", failure(Fault::Upstream, OBJECT_STORE)),
    ("KER-PUT-018", failure(Fault::Upstream, CRYPTOGRAPHY)),
    ("KER-PUT-020", Meaning {
        fault: Fault::Caller,
        retryable: false,
        is_verdict: false,
        pointer: None,
        registrar: "MOSIP does not accept what the registration holds. Tell the operator.",
        operator: "Compare the fields of the registration with the identity schema; the log of MOSIP's packet manager says which one does not fit. Correct the record, and post it again.",
    }),
    ("KER-PUT-025", failure(Fault::Partner, SOURCE_AND_PROCESS)),
    ("KER-PUT-", failure(Fault::Upstream, AT_PACKET_MANAGER)),
    ("KER-KPM-002", failure(Fault::Upstream, "MOSIP's packet manager cannot read the identity schema. Set upstream.packets.schema_file to the schema of this MOSIP, or have each registration bring it as schemaJson.")),
    ("KER-KPM-", failure(Fault::Upstream, AT_PACKET_MANAGER)),
    ("RPR-WIS-001", Meaning {
        fault: Fault::Caller,
        retryable: false,
        is_verdict: false,
        pointer: None,
        registrar: "MOSIP has another registration under the same id. Tell the operator.",
        operator: "Another system draws ids with the same upstream.packets.id_prefix. Give the gateway a prefix of its own, discard this event, and post the registration again: it gets another id.",
    }),
    ("RPR-WIS-", failure(Fault::Upstream, AT_WORKFLOW)),
    ("RPR-WIN-002", failure(Fault::Upstream, AT_WORKFLOW)),
    ("RPR-WIN-", failure(Fault::Partner, WORKFLOW)),
    ("RPR-WIA-002", failure(Fault::Upstream, AT_WORKFLOW)),
    ("RPR-WIA-", failure(Fault::Partner, WORKFLOW)),
];

const SOURCE_AND_PROCESS: &str = "Have MOSIP's administrator register the source and the process of this kind with the packet manager (provider.packetwriter.mosip), or write those that are registered into upstream.packets: mosip-api of OpenCRVS 1.9 has the source OPENCRVS, that of 2.0 and later CRVS1.";
const OBJECT_STORE: &str = "MOSIP's packet manager cannot write to its object store. Tell the MOSIP administrator; the registration is tried again by itself.";
const CRYPTOGRAPHY: &str = "MOSIP's packet manager cannot encrypt or sign the packet: its keymanager is away, or has no key for upstream.packets.center_id and machine_id. Tell the MOSIP administrator; the registration is tried again by itself.";
const WORKFLOW: &str = "The workflow of MOSIP's registration processor does not take the form of the request (mosip.regproc.workflow-manager.instance.api-id and .version). Tell the MOSIP administrator, and check upstream.packets.process.";
