//! Copies of payloads, and arrays over them.

use std::ffi::c_int;

use pyo3::ffi;
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

/// What a view allows.
pub enum Access {
    /// It is read only.
    Read,
    /// What is written into it is written into the bus.
    Write,
}

/// Makes `view` one of `length` bytes at `data`, which holds a reference to `owner`.
///
/// # Safety
/// `view` is valid to write. The bytes stay, and nobody changes them (or but the view's holder, if it may), while `owner` has a view.
pub unsafe fn fill<T>(
    view: *mut ffi::Py_buffer,
    owner: &Bound<'_, T>,
    data: *const u8,
    length: usize,
    access: Access,
    flags: c_int,
) -> PyResult<()> {
    let read_only = c_int::from(matches!(access, Access::Read));
    let data = data.cast_mut().cast();
    // SAFETY: as the caller says.
    match unsafe { ffi::PyBuffer_FillInfo(view, owner.as_ptr(), data, length as isize, read_only, flags) } {
        0 => Ok(()),
        _ => Err(PyErr::fetch(owner.py())),
    }
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
