//! Without the feature: nothing, at no cost.

use core::marker::PhantomData;

use crate::inside::Hung;
use crate::operation::Completion;
use crate::slot::Slot;

pub(crate) struct OpSpan;

const _: () = assert!(size_of::<OpSpan>() == 0);

impl OpSpan {
    #[inline(always)]
    pub(crate) fn new<T>(_: PhantomData<T>) -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn begun(&self, _: Option<&Slot>) {}

    #[inline(always)]
    pub(crate) fn cancel(&self) {}

    #[inline(always)]
    pub(crate) fn dropped(&self) {}

    #[inline(always)]
    pub(crate) fn done(&self, _: &Completion) {}
}

#[inline(always)]
pub(crate) fn ended(_: &Result<(), Hung>) {}
