//! A receive ring: frames that the kernel writes straight into memory shared with it (`packet_mmap`, TPACKET version 2).
//!
//! A socket's own buffer is bounded by `net.core.rmem_max`, which on most machines is too small for a burst of jumbo frames;
//! a ring is not.
#![expect(unsafe_code, reason = "the ring is memory that the kernel writes to")]

use super::frame::{FrameSocket, length_of, set_option};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The kernel allocates a ring in blocks; slots do not cross them.
const BLOCK: usize = 1 << 20;
/// Room before a frame: the slot's header, the link-layer address, and the alignment of the network header.
const HEADROOM: usize = 128;

/// The receiving half of a [`FrameSocket`].
#[derive(Debug)]
pub struct Ring {
    socket: Arc<FrameSocket>,
    memory: NonNull<u8>,
    blocks: usize,
    slot_size: usize,
    slots_in_block: usize,
    next: usize,
}

// SAFETY: the memory belongs to this value alone, apart from the kernel, and no part of it is tied to a thread.
unsafe impl Send for Ring {}

impl Ring {
    /// Gives a socket a ring of so many mebibytes, for frames of up to `longest` bytes. From here on the socket's frames arrive
    /// there and nowhere else.
    ///
    /// # Errors
    /// `ENOMEM`, `EBUSY` when the socket has a ring.
    pub fn new(socket: Arc<FrameSocket>, longest: usize, mebibytes: usize) -> io::Result<Self> {
        let slot_size = (longest + HEADROOM).next_multiple_of(libc::TPACKET_ALIGNMENT).min(BLOCK);
        let slots_in_block = BLOCK / slot_size;
        let blocks = mebibytes.max(1);
        let number = |value: usize| libc::c_uint::try_from(value).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL));
        let request = libc::tpacket_req {
            tp_block_size: number(BLOCK)?,
            tp_block_nr: number(blocks)?,
            tp_frame_size: number(slot_size)?,
            tp_frame_nr: number(slots_in_block * blocks)?,
        };
        let version: libc::c_int = TPACKET_V2;
        set_option(socket.as_fd(), libc::PACKET_VERSION, &version)?;
        set_option(socket.as_fd(), libc::PACKET_RX_RING, &request)?;
        // SAFETY: a new mapping at an address of the kernel's choice, of the length that PACKET_RX_RING has allocated.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                blocks * BLOCK,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                socket.as_fd().as_raw_fd(),
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = NonNull::new(memory.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { socket, memory, blocks, slot_size, slots_in_block, next: 0 })
    }

    /// Shows the next frame, from its Ethernet header on and without FCS, and gives its slot back. None: there is no frame.
    pub fn take<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let (block, slot) = (self.next / self.slots_in_block, self.next % self.slots_in_block);
        // SAFETY: `next` is below slots_in_block * blocks, so the slot is inside the mapping, which lives as long as `self`.
        // Block and slot size are multiples of 16, so the header is aligned. The status is the word that kernel and reader
        // hand the slot over with; it is only touched atomically.
        let (slot, status) = unsafe {
            let slot = self.memory.add(block * BLOCK + slot * self.slot_size);
            (slot, AtomicU32::from_ptr(slot.as_ptr().cast()))
        };
        if status.load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            return None;
        }
        // SAFETY: the kernel has handed the slot over, header and frame written; it does not touch it until the status says so.
        let header = unsafe { slot.cast::<libc::tpacket2_hdr>().read() };
        let start = usize::from(header.tp_mac).min(self.slot_size);
        let length = (header.tp_snaplen as usize).min(self.slot_size - start);
        // SAFETY: start and length keep within the slot; while `look` has the slice, nobody writes to the slot.
        let result = look(unsafe { std::slice::from_raw_parts(slot.as_ptr().add(start), length) });
        status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next = (self.next + 1) % (self.slots_in_block * self.blocks);
        Some(result)
    }

    /// How many frames found no slot since the last call (`PACKET_STATISTICS`).
    #[must_use]
    pub fn missed(&self) -> u32 {
        let mut stats = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
        let mut length = length_of::<libc::tpacket_stats>();
        // SAFETY: the kernel writes at most `length` bytes to a structure of that size on this stack.
        let result = unsafe {
            libc::getsockopt(
                self.socket.as_fd().as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                (&raw mut stats).cast(),
                &raw mut length,
            )
        };
        if result < 0 { 0 } else { stats.tp_drops }
    }
}

/// `TPACKET_V2` of `enum tpacket_versions` (`linux/if_packet.h`).
const TPACKET_V2: libc::c_int = 1;

impl AsFd for Ring {
    /// Readable when a frame is there.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping was made in `new` with this length, and no reference into it outlives `self`.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), self.blocks * BLOCK) };
    }
}
