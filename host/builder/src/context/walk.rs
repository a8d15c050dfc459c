//! Reading all directories below one, with several threads.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::tree::{Directory, Node};
use super::{Context, ContextError};

/// More threads than this only wait for each other in the kernel.
const MOST_THREADS: usize = 8;

/// Helpers are called when this many directories are waiting.
const WORTH_HELP: usize = 4;

impl Context {
    /// Reads everything below `directory` that has not been read, in parallel, as long as there is room to keep it.
    ///
    /// # Errors
    /// The first failure.
    pub fn prefetch(&self, directory: &Arc<Directory>) -> Result<(), ContextError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let queue = Queue::new(Arc::clone(directory));
        std::thread::scope(|scope| {
            let mut helpers = 0;
            queue.work(self, &mut |waiting| {
                if waiting > WORTH_HELP && helpers + 1 < threads {
                    helpers += 1;
                    let queue = &queue;
                    scope.spawn(move || queue.work(self, &mut |_| {}));
                }
            });
        });
        queue.result()
    }
}

/// Directories that wait to be read, and how many threads are reading one.
#[derive(Debug)]
struct Queue {
    state: Mutex<QueueState>,
    wake: Condvar,
}

#[derive(Debug)]
struct QueueState {
    waiting: VecDeque<Arc<Directory>>,
    reading: usize,
    error: Option<ContextError>,
}

impl Queue {
    fn new(first: Arc<Directory>) -> Self {
        let state = QueueState { waiting: VecDeque::from([first]), reading: 0, error: None };
        Self { state: Mutex::new(state), wake: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads directories until none is left; tells `progress` how many wait after each.
    fn work(&self, context: &Context, progress: &mut dyn FnMut(usize)) {
        while let Some(directory) = self.take() {
            let read = context.kept(&directory);
            let waiting = self.give_back(read);
            progress(waiting);
        }
    }

    fn take(&self) -> Option<Arc<Directory>> {
        let mut state = self.lock();
        loop {
            if let Some(directory) = state.waiting.pop_back() {
                state.reading += 1;
                return Some(directory);
            }
            if state.reading == 0 {
                return None;
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn give_back(&self, read: Result<Option<Arc<[Node]>>, ContextError>) -> usize {
        let mut state = self.lock();
        state.reading -= 1;
        match read {
            Ok(Some(nodes)) if state.error.is_none() => state.waiting.extend(nodes.iter().filter_map(Node::directory).cloned()),
            Ok(Some(_)) => {}
            // No room is left: those that walk will read for themselves.
            Ok(None) => state.waiting.clear(),
            Err(error) => {
                state.waiting.clear();
                state.error.get_or_insert(error);
            }
        }
        self.wake.notify_all();
        state.waiting.len()
    }

    fn result(self) -> Result<(), ContextError> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).error.map_or(Ok(()), Err)
    }
}
