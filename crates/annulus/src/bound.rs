//! [`Bound`]: a value that stays on its thread, behind a handle that may go to others.
//!
//! Some interfaces want `Send` of what never leaves its thread: hyper of a connection that may be
//! upgraded, and of the sleeps of a timer. The value lies in a table of its thread; the handle
//! knows its place there, and finds nothing on other threads.
//!
//! ```text
//!  thread A                                   thread B
//!  table: [ value 0 | free | value 2 ]  ◀──   Bound { place 2 } dropped here: noted in `lost`,
//!         lost ── swept by A's runtime        and A's runtime is told to look there
//! ```

use core::cell::{Cell, RefCell};
use core::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::LocalKey;

use annulus_runtime::Handle;

/// A type that has a table in each thread.
pub(crate) trait Tabled: Sized + 'static {
    /// This thread's.
    fn table() -> &'static LocalKey<Table<Self>>;
}

/// The places whose handles were dropped on other threads; and whose table that is.
type Lost = Mutex<Vec<usize>>;

/// The values of one type on one thread.
pub(crate) struct Table<T> {
    places: RefCell<Vec<Place<T>>>,
    /// The first free place, or one that there is not.
    free: Cell<usize>,
    lost: Arc<Lost>,
}

enum Place<T> {
    /// The next free one.
    Free(usize),
    Full(T),
    /// Its value is in use.
    Lent,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { places: RefCell::default(), free: Cell::new(0), lost: Arc::default() }
    }
}

impl<T> Table<T> {
    fn insert(&self, value: T) -> usize {
        let mut places = self.places.borrow_mut();
        let index = self.free.get();
        match places.get_mut(index) {
            Some(place) => {
                if let Place::Free(next) = *place {
                    self.free.set(next);
                }
                *place = Place::Full(value);
            }
            None => {
                places.push(Place::Full(value));
                self.free.set(index + 1);
            }
        }
        index
    }

    /// The value, to be put back, or nothing where it is in use.
    fn take(&self, index: usize) -> Option<T> {
        let mut places = self.places.borrow_mut();
        match core::mem::replace(&mut places[index], Place::Lent) {
            Place::Full(value) => Some(value),
            other => {
                places[index] = other;
                None
            }
        }
    }

    fn put(&self, index: usize, value: T) {
        self.places.borrow_mut()[index] = Place::Full(value);
    }

    /// Frees a place. The value, if it is there, is to be dropped with nothing borrowed.
    fn remove(&self, index: usize) -> Option<T> {
        let place = &mut self.places.borrow_mut()[index];
        match core::mem::replace(place, Place::Free(self.free.replace(index))) {
            Place::Full(value) => Some(value),
            Place::Free(_) | Place::Lent => None,
        }
    }

    /// Drops the values whose handles are gone.
    fn sweep(&self) {
        let lost = core::mem::take(&mut *self.lost.lock().unwrap_or_else(PoisonError::into_inner));
        for index in lost {
            drop(self.remove(index));
        }
    }

    /// How many there are.
    #[cfg(test)]
    fn len(&self) -> usize {
        let places = self.places.borrow();
        places.iter().filter(|place| matches!(place, Place::Full(_))).count()
    }
}

/// See the top of this file.
///
/// Dropped on another thread, the value is dropped on its own by the runtime there; where that has
/// ended, when the thread does.
pub(crate) struct Bound<T: Tabled> {
    index: usize,
    /// That of the value's table.
    lost: Arc<Lost>,
    runtime: Handle,
    value: PhantomData<fn() -> T>,
}

impl<T: Tabled> Bound<T> {
    /// Binds a value to this thread.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub(crate) fn new(value: T) -> Self {
        let runtime = annulus_runtime::runtime::handle();
        T::table().with(|table| Self {
            index: table.insert(value),
            lost: Arc::clone(&table.lost),
            runtime,
            value: PhantomData,
        })
    }

    /// Calls `f` with the value: on its own thread. Nothing on another.
    #[inline]
    pub(crate) fn with<R>(&mut self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        let used = T::table().try_with(|table| {
            if !Arc::ptr_eq(&table.lost, &self.lost) {
                return None;
            }
            // Taken out: what runs in `f` may use the table.
            let mut value = table.take(self.index)?;
            let result = f(&mut value);
            table.put(self.index, value);
            Some(result)
        });
        used.unwrap_or(None)
    }
}

impl<T: Tabled> Drop for Bound<T> {
    fn drop(&mut self) {
        let index = self.index;
        let is_done = T::table().try_with(|table| {
            let is_home = Arc::ptr_eq(&table.lost, &self.lost);
            let value = is_home.then(|| table.remove(index));
            // With nothing borrowed.
            value.map(drop).is_some()
        });
        if is_done.unwrap_or(false) {
            return;
        }
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).push(index);
        // Refused where the runtime has ended: the table goes with its thread.
        drop(self.runtime.spawn(|| {
            let _ = T::table().try_with(Table::sweep);
            async {}
        }));
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::time::Duration;

    use annulus_runtime::{run, time};

    use super::*;

    impl Tabled for Rc<Cell<u32>> {
        fn table() -> &'static LocalKey<Table<Self>> {
            thread_local! { static TABLE: Table<Rc<Cell<u32>>> = Table::default(); }
            &TABLE
        }
    }

    fn bound(value: &Rc<Cell<u32>>) -> Bound<Rc<Cell<u32>>> {
        Bound::new(Rc::clone(value))
    }

    fn len() -> usize {
        Rc::<Cell<u32>>::table().with(Table::len)
    }

    #[test]
    fn a_value_is_found_at_home_alone() {
        run(async {
            let value = Rc::new(Cell::new(7));
            let mut own = bound(&value);
            assert_eq!(own.with(|v| v.replace(8)), Some(7));
            let there = std::thread::spawn(move || (own.with(|v| v.get()), own));
            let (seen, mut own) = there.join().expect("no panic");
            assert_eq!((seen, own.with(|v| v.get())), (None, Some(8)));
            drop(own);
            assert_eq!((Rc::strong_count(&value), len()), (1, 0));
        })
        .expect("a runtime");
    }

    #[test]
    fn places_are_used_again() {
        run(async {
            let value = Rc::new(Cell::new(0));
            let mut all: Vec<_> = (0..10).map(|_| bound(&value)).collect();
            drop(all.drain(3..7));
            all.extend((0..4).map(|_| bound(&value)));
            assert_eq!(len(), 10);
            assert_eq!(Rc::<Cell<u32>>::table().with(|t| t.places.borrow().len()), 10);
            let mut indices: Vec<_> = all.iter().map(|own| own.index).collect();
            indices.sort_unstable();
            assert_eq!(indices, Vec::from_iter(0..10));
        })
        .expect("a runtime");
    }

    #[test]
    fn what_is_dropped_elsewhere_is_dropped_at_home() {
        run(async {
            let value = Rc::new(Cell::new(0));
            let own = bound(&value);
            std::thread::spawn(move || drop(own)).join().expect("no panic");
            while Rc::strong_count(&value) > 1 {
                time::sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(len(), 0);
        })
        .expect("a runtime");
    }

    #[test]
    fn a_value_may_use_its_table() {
        run(async {
            let value = Rc::new(Cell::new(0));
            let mut own = bound(&value);
            let other = own.with(|_| bound(&value)).expect("it is at home");
            assert_ne!(own.index, other.index);
            drop((own, other));
            assert_eq!(Rc::strong_count(&value), 1);
        })
        .expect("a runtime");
    }
}
