//! Golden bytes, limits and mutations of the wire format.
