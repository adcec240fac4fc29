//! Copies of payloads, and arrays over them.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::gil::detached;

/// Payloads up to this size are copied with the interpreter's lock held: giving it up and getting it back costs more.
pub const COPY_UNDER_LOCK_BYTES: usize = 64 << 10;

/// A `bytes` object with a copy of `data`.
#[inline]
pub fn copy<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    if data.len() <= COPY_UNDER_LOCK_BYTES {
        return Ok(PyBytes::new(py, data));
    }
    PyBytes::new_with(py, data.len(), |to| {
        detached(py, || to.copy_from_slice(data));
        Ok(())
    })
}

/// A NumPy array over the buffer that `object` is.
pub fn array<'py>(
    object: &Bound<'py, PyAny>,
    dtype: &Bound<'py, PyAny>,
    shape: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let flat = object.py().import("numpy")?.call_method1("frombuffer", (object, dtype))?;
    match shape {
        None => Ok(flat),
        Some(shape) => flat.call_method1("reshape", (shape,)),
    }
}
