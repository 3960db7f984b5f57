//! The two shapes that every constant of the kernel takes here: a set of bits, and a number.
//!
//! Neither is a Rust enum: what a newer kernel writes must be readable, whatever it is. Each type
//! carries the table of the constants it knows, so that a test can compare them with the header
//! and a program can print them.

/// A constant of the kernel's interface: its name in the header, its value, the first Linux that
/// has it.
///
/// ```
/// use annulus_ring::abi::SetupFlags;
/// let known = SetupFlags::ALL.iter().find(|k| k.value == SetupFlags::SQPOLL).unwrap();
/// assert_eq!((known.name, known.since), ("IORING_SETUP_SQPOLL", "5.1"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known<T: 'static> {
    /// The name in the kernel's header.
    pub name: &'static str,
    /// Its value.
    pub value: T,
    /// The first Linux that has it.
    pub since: &'static str,
}

/// Declares a set of bits: `NAME = value, "KERNEL_NAME", "since";` per bit, after its doc comment.
macro_rules! flags {
    (
        $(#[$meta:meta])*
        pub struct $Type:ident: $int:ty;
        $($(#[$doc:meta])* $Name:ident = $value:expr, $kernel:literal, $since:literal;)*
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        #[repr(transparent)]
        pub struct $Type(pub $int);

        impl $Type {
            $(
                $(#[$doc])*
                #[doc = ""]
                #[doc = concat!("`", $kernel, "`, Linux ", $since, ".")]
                #[doc(alias = $kernel)]
                pub const $Name: Self = Self($value);
            )*

            /// Every bit with a name, in the header's order.
            pub const ALL: &'static [$crate::abi::Known<Self>] = &[
                $($crate::abi::Known { name: $kernel, value: Self::$Name, since: $since }),*
            ];

            /// No bit set.
            ///
            /// ```
            /// # use annulus_ring::abi::{*, private::*};
            #[doc = concat!("use ", stringify!($Type), " as T;")]
            /// assert_eq!(T::empty(), T(0));
            /// ```
            #[inline]
            pub const fn empty() -> Self {
                Self(0)
            }

            /// The bits as the kernel reads them.
            ///
            /// ```
            /// # use annulus_ring::abi::{*, private::*};
            #[doc = concat!("use ", stringify!($Type), " as T;")]
            /// assert_eq!(T(6).bits(), 6);
            /// ```
            #[inline]
            pub const fn bits(self) -> $int {
                self.0
            }

            /// Whether no bit is set.
            ///
            /// ```
            /// # use annulus_ring::abi::{*, private::*};
            #[doc = concat!("use ", stringify!($Type), " as T;")]
            /// assert!(T(0).is_empty() && !T(1).is_empty());
            /// ```
            #[inline]
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// Whether every bit of `other` is set here.
            ///
            /// ```
            /// # use annulus_ring::abi::{*, private::*};
            #[doc = concat!("use ", stringify!($Type), " as T;")]
            /// assert!(T(6).contains(T(2)) && !T(6).contains(T(3)));
            /// ```
            #[inline]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether any bit of `other` is set here.
            ///
            /// ```
            /// # use annulus_ring::abi::{*, private::*};
            #[doc = concat!("use ", stringify!($Type), " as T;")]
            /// assert!(T(6).intersects(T(3)) && !T(6).intersects(T(1)));
            /// ```
            #[inline]
            pub const fn intersects(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }

            /// The bits of both.
            ///
            /// ```
            /// # use annulus_ring::abi::{*, private::*};
            #[doc = concat!("use ", stringify!($Type), " as T;")]
            /// assert_eq!(T(6).union(T(3)), T(7));
            /// ```
            #[inline]
            #[must_use]
            pub const fn union(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// The bits of this that are not in `other`.
            ///
            /// ```
            /// # use annulus_ring::abi::{*, private::*};
            #[doc = concat!("use ", stringify!($Type), " as T;")]
            /// assert_eq!(T(6).difference(T(3)), T(4));
            /// ```
            #[inline]
            #[must_use]
            pub const fn difference(self, other: Self) -> Self {
                Self(self.0 & !other.0)
            }
        }

        impl core::ops::BitOr for $Type {
            type Output = Self;
            #[inline]
            fn bitor(self, other: Self) -> Self {
                self.union(other)
            }
        }

        impl core::ops::BitOrAssign for $Type {
            #[inline]
            fn bitor_assign(&mut self, other: Self) {
                *self = self.union(other);
            }
        }

        impl core::ops::BitAnd for $Type {
            type Output = Self;
            #[inline]
            fn bitand(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }
        }

        impl core::fmt::Debug for $Type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                let names = Self::ALL.iter().map(|k| (k.name, u64::from(k.value.0)));
                $crate::abi::newtypes::debug_bits(f, u64::from(self.0), names)
            }
        }
    };
}

/// Declares a number with names: `NAME = value, "KERNEL_NAME", "since";` per name, after its doc
/// comment. `beside TABLE` gives names that the kernel does not have.
macro_rules! numbers {
    (
        $(#[$meta:meta])*
        pub struct $Type:ident: $int:ty $(, beside $more:path)?;
        $($(#[$doc:meta])* $Name:ident = $value:expr, $kernel:literal, $since:literal;)*
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        #[repr(transparent)]
        pub struct $Type(pub $int);

        impl $Type {
            $(
                $(#[$doc])*
                #[doc = ""]
                #[doc = concat!("`", $kernel, "`, Linux ", $since, ".")]
                #[doc(alias = $kernel)]
                pub const $Name: Self = Self($value);
            )*

            /// Every number with a name, in the header's order.
            pub const ALL: &'static [$crate::abi::Known<Self>] = &[
                $($crate::abi::Known { name: $kernel, value: Self::$Name, since: $since }),*
            ];

            /// The number as the kernel reads it.
            ///
            /// ```
            /// # use annulus_ring::abi::{*, private::*};
            #[doc = concat!("use ", stringify!($Type), " as T;")]
            /// assert_eq!(T(6).raw(), 6);
            /// ```
            #[inline]
            pub const fn raw(self) -> $int {
                self.0
            }

            /// Its name in the kernel's header, if this library knows it.
            ///
            /// ```
            /// # use annulus_ring::abi::{*, private::*};
            #[doc = concat!("use ", stringify!($Type), " as T;")]
            /// assert!(T::ALL.iter().all(|known| known.value.name().is_some()));
            /// ```
            pub fn name(self) -> Option<&'static str> {
                let mut known = Self::ALL.iter()$(.chain($more))?;
                known.find(|k| k.value == self).map(|k| k.name)
            }
        }

        impl core::fmt::Debug for $Type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, concat!(stringify!($Type), "({})"), self.0),
                }
            }
        }
    };
}

pub(crate) use {flags, numbers};

/// Prints the named bits of `bits` joined by ` | `, and what has no name in hexadecimal.
pub(crate) fn debug_bits(
    f: &mut core::fmt::Formatter<'_>,
    bits: u64,
    names: impl Iterator<Item = (&'static str, u64)>,
) -> core::fmt::Result {
    let mut rest = bits;
    let mut separator = "";
    for (name, value) in names {
        if value != 0 && rest & value == value {
            write!(f, "{separator}{name}")?;
            separator = " | ";
            rest &= !value;
        }
    }
    if rest != 0 || separator.is_empty() {
        write!(f, "{separator}{rest:#x}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::abi::{Op, SetupFlags};

    #[test]
    fn bits_print_by_name_and_keep_what_has_none() {
        let bits = SetupFlags::SQPOLL | SetupFlags::CLAMP | SetupFlags(1 << 30);
        assert_eq!(format!("{bits:?}"), "IORING_SETUP_SQPOLL | IORING_SETUP_CLAMP | 0x40000000");
        assert_eq!(format!("{:?}", SetupFlags::empty()), "0x0");
    }

    #[test]
    fn numbers_print_by_name_and_keep_what_has_none() {
        assert_eq!(format!("{:?}", Op::NOP), "IORING_OP_NOP");
        assert_eq!(format!("{:?}", Op(100)), "Op(100)");
    }
}
