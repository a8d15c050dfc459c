//! The tar stream cut into blocks of one size, each compressed by itself.

/// The size of a block. One gzip member holds one block, so this is part of what a layer's digest depends on.
pub(crate) const BLOCK_SIZE: usize = 1 << 20;

/// One block on its way: filled, hashed, compressed, written, and used again.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) number: u64,
    /// Room for the uncompressed bytes, always [`BLOCK_SIZE`] long.
    input: Vec<u8>,
    used: usize,
    pub(crate) output: Vec<u8>,
}

impl Block {
    pub(crate) fn new() -> Self {
        Self { number: 0, input: vec![0; BLOCK_SIZE], used: 0, output: Vec::new() }
    }

    /// The uncompressed bytes.
    pub(crate) fn input(&self) -> &[u8] {
        &self.input[..self.used]
    }
}

/// The stream has ended on its other side; whoever is there knows why.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopped;

/// Takes full blocks and gives empty ones.
pub(crate) trait Ship {
    /// Sends a full block and returns the one to fill next.
    fn ship(&mut self, block: Block) -> Result<Block, Stopped>;
}

/// Fills blocks one after the other.
pub(crate) struct Blocks<'s, S: Ship> {
    block: Block,
    next_number: u64,
    ship: &'s mut S,
}

impl<'s, S: Ship> Blocks<'s, S> {
    pub(crate) fn new(first: Block, ship: &'s mut S) -> Self {
        let mut blocks = Self { block: first, next_number: 0, ship };
        blocks.begin();
        blocks
    }

    fn begin(&mut self) {
        self.block.number = self.next_number;
        self.block.used = 0;
        self.next_number += 1;
    }

    /// The room left in the block at hand, never empty.
    pub(crate) fn room(&mut self) -> Result<&mut [u8], Stopped> {
        if self.block.used == BLOCK_SIZE {
            self.send()?;
        }
        Ok(&mut self.block.input[self.block.used..])
    }

    /// Says that the first `count` bytes of the room have been filled.
    pub(crate) fn fill(&mut self, count: usize) {
        self.block.used += count;
    }

    pub(crate) fn put(&mut self, mut bytes: &[u8]) -> Result<(), Stopped> {
        while !bytes.is_empty() {
            let room = self.room()?;
            let count = room.len().min(bytes.len());
            room[..count].copy_from_slice(&bytes[..count]);
            self.fill(count);
            bytes = &bytes[count..];
        }
        Ok(())
    }

    pub(crate) fn put_zeros(&mut self, mut count: usize) -> Result<(), Stopped> {
        while count > 0 {
            let room = self.room()?;
            let part = room.len().min(count);
            room[..part].fill(0);
            self.fill(part);
            count -= part;
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), Stopped> {
        self.block = self.ship.ship(std::mem::take(&mut self.block))?;
        self.begin();
        Ok(())
    }

    /// Sends the last block, if there is anything in it.
    pub(crate) fn finish(mut self) -> Result<(), Stopped> {
        if self.block.used > 0 {
            self.send()?;
        }
        Ok(())
    }
}
