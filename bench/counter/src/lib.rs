//! A plugin for qemu, by its interface of C: counts the instructions that an emulated machine of
//! one processor executes, those of user space and those of the kernel apart.

mod plugin;
