//! Listeners, routes, problems.
