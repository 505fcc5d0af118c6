//! Defects of which the simulation has to show that it finds them.

/// A defect that the simulation has to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plant {
    /// The store forgets leases.
    DroppedLease,
    /// The store says that a commit is durable before it is.
    VerdictBeforeCommit,
    /// A destination sends an application id that it has not stored.
    UnstoredAid,
    /// A destination makes up an id of its own for some attempts.
    AnotherId,
    /// A delivery counts as taken before the mediator has answered.
    UnansweredDelivery,
    /// A crash costs a record of a job that waits.
    DroppedRecord,
    /// The store writes a push a while after it said that it is durable.
    WrittenLate,
    /// The store forgets that nothing more is waited for about a registration.
    WaitComesBack,
    /// A confirmation is written after what causes it, and a crash between the two costs it.
    ConfirmationApart,
    /// Each attempt of a confirmation is a transaction of its own.
    AnotherTransaction,
    /// A packet is made under an id of its own for some attempts.
    AnotherPacket,
    /// What goes to one destination waits while another one fails.
    SharedPause,
}

impl Plant {
    pub(super) const ALL: [Self; 12] = [
        Self::DroppedLease,
        Self::VerdictBeforeCommit,
        Self::UnstoredAid,
        Self::AnotherId,
        Self::UnansweredDelivery,
        Self::DroppedRecord,
        Self::WrittenLate,
        Self::WaitComesBack,
        Self::ConfirmationApart,
        Self::AnotherTransaction,
        Self::AnotherPacket,
        Self::SharedPause,
    ];

    /// Those of registrations, and of destinations that hold each other up, each with what is said of it.
    pub(super) const ON_THE_WAY: [(Self, &str); 4] = [
        (Self::ConfirmationApart, "the confirmation of "),
        (Self::AnotherTransaction, "is decided under two transactions"),
        (Self::AnotherPacket, " packet"),
        (Self::SharedPause, " waits while another destination is away"),
    ];
}
