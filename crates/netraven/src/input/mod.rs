//! What people give: fields of devices, CSV files, secrets.

pub mod csv;
pub mod fields;
pub mod secrets;
pub mod transport;
