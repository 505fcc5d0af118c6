//! Watches the key volume: validate, then swap.
