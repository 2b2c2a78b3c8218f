//! Code addresses that mean the same in two processes: the module they lie in, and an offset.
//! Not here: which function is meant (`actor::backend`).
//! Layer 1: system calls.
//!
//! # Safety
//!
//! * A1: an address becomes a function again only in a module whose fingerprint (program headers,
//!   build id, and the bytes of the function itself) equals that of the module it came from.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_int, c_void};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};

/// A function by module and offset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CodeAddress {
    /// Path of the module as the loader knows it; empty for the program itself.
    module: String,
    /// Bytes from the load address of the module.
    offset_bytes: usize,
    /// What the module must look like for the offset to mean anything.
    fingerprint: u64,
}

/// A module in which a look-up ended.
struct Found {
    name: String,
    base: usize,
    fingerprint: u64,
    is_program: bool,
}

/// How many bytes of the function take part in the fingerprint.
const CODE_SAMPLE_BYTES: usize = 64;

impl CodeAddress {
    /// Describes an address of this process; `None` if it lies in no module.
    pub(crate) fn of(address: usize) -> Option<Self> {
        let found = find(|_, ranges| ranges.iter().any(|range| range.contains(&address)), address, None)?;
        let offset_bytes = address - found.base;
        Some(Self { module: found.name, offset_bytes, fingerprint: found.fingerprint })
    }

    /// The address in this process, if the same module is loaded here.
    pub(crate) fn resolve(&self) -> Result<usize, String> {
        let found = find(|name, _| name == self.module, 0, Some(self.offset_bytes));
        let module = if self.module.is_empty() { "the program" } else { &self.module };
        match found {
            None => Err(format!(
                "the actor's code lies in `{module}`, which the fork server has not loaded: \
                 link it to the program instead of loading it at run time"
            )),
            Some(found) if found.fingerprint != self.fingerprint => Err(format!(
                "`{module}` on disk is not the one that is running: it was replaced by another build; \
                 start the program again"
            )),
            Some(found) => Ok(found.base + self.offset_bytes),
        }
    }
}

/// Whether an address lies in the program itself, not in a library it loaded.
pub(crate) fn is_in_program(address: usize) -> bool {
    find(|_, ranges| ranges.iter().any(|range| range.contains(&address)), address, None)
        .is_some_and(|found| found.is_program)
}

struct Search<'search> {
    matches: &'search mut dyn FnMut(&str, &[std::ops::Range<usize>]) -> bool,
    sample_address: usize,
    sample_offset: Option<usize>,
    index: usize,
    found: Option<Found>,
}

fn find(
    mut matches: impl FnMut(&str, &[std::ops::Range<usize>]) -> bool,
    sample_address: usize,
    sample_offset: Option<usize>,
) -> Option<Found> {
    let mut search = Search { matches: &mut matches, sample_address, sample_offset, index: 0, found: None };
    // SAFETY: `visit` gets back the very pointer given here, which outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
    search.found
}

/// Looks at one module; the first is the program itself.
///
/// # Safety
///
/// Called by `dl_iterate_phdr` alone, which keeps `info` and what it points to valid meanwhile.
unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _size: usize, data: *mut c_void) -> c_int {
    // SAFETY: `find` passes a `Search` that outlives the iteration and is used here alone.
    let search = unsafe { &mut *data.cast::<Search<'_>>() };
    // SAFETY: the loader keeps `info` valid during the call.
    let info = unsafe { &*info };
    let is_program = search.index == 0;
    search.index += 1;
    let name = if is_program || info.dlpi_name.is_null() {
        String::new()
    } else {
        // SAFETY: the loader's names are zero-terminated and live as long as the module.
        unsafe { CStr::from_ptr(info.dlpi_name) }.to_string_lossy().into_owned()
    };
    // SAFETY: the loader gives the number of headers with their address.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let base = usize::try_from(info.dlpi_addr).unwrap_or(0);
    let ranges: Vec<_> = headers
        .iter()
        .filter(|header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_X != 0)
        .map(|header| segment(base, header))
        .collect();
    if !(search.matches)(&name, &ranges) {
        return 0;
    }
    let sample = search.sample_offset.map_or(search.sample_address, |offset| base + offset);
    let fingerprint = fingerprint(base, headers, &ranges, sample);
    search.found = Some(Found { name, base, fingerprint, is_program });
    1
}

fn segment(base: usize, header: &libc::Elf64_Phdr) -> std::ops::Range<usize> {
    let start = base + usize::try_from(header.p_vaddr).unwrap_or(0);
    start..start + usize::try_from(header.p_memsz).unwrap_or(0)
}

fn fingerprint(
    base: usize,
    headers: &[libc::Elf64_Phdr],
    code: &[std::ops::Range<usize>],
    sample: usize,
) -> u64 {
    let mut hasher = DefaultHasher::new();
    for header in headers {
        (header.p_type, header.p_flags, header.p_offset, header.p_vaddr).hash(&mut hasher);
        (header.p_filesz, header.p_memsz, header.p_align).hash(&mut hasher);
        if header.p_type == libc::PT_NOTE {
            let note = segment(base, header);
            // SAFETY: a note segment lies in a loaded, read-only part of the module.
            unsafe { std::slice::from_raw_parts(note.start as *const u8, note.len()) }.hash(&mut hasher);
        }
    }
    if let Some(range) = code.iter().find(|range| range.contains(&sample)) {
        let length = CODE_SAMPLE_BYTES.min(range.end - sample);
        // SAFETY: the sample lies in an executable segment, loaded whole and never written.
        unsafe { std::slice::from_raw_parts(sample as *const u8, length) }.hash(&mut hasher);
    }
    hasher.finish()
}

/// Whether two addresses lie in one module.
pub(crate) fn same_module(one: usize, other: usize) -> bool {
    find(|_, ranges| ranges.iter().any(|range| range.contains(&one)), one, None).is_some_and(|found| {
        find(|_, ranges| ranges.iter().any(|range| range.contains(&other)), other, None)
            .is_some_and(|second| found.base == second.base && found.name == second.name)
    })
}
