/* sys: the start of the program and system calls, without any C library, so that the whole image is
 * a few kilobytes that run on every Linux. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

/* Called with the stack as the kernel left it: argc, argv, NULL, environment, NULL. */
__attribute__((noreturn, used)) void hello_start(const long *stack);

#if defined(__x86_64__)
__asm__(".globl _start\n"
        "_start:\n"
        "	xor %ebp, %ebp\n"
        "	mov %rsp, %rdi\n"
        "	and $-16, %rsp\n"
        "	call hello_start\n");

static inline long sys4(long n, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long ret;

	__asm__ volatile("syscall"
	                 : "=a"(ret)
	                 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10)
	                 : "rcx", "r11", "memory");
	return ret;
}
#elif defined(__aarch64__)
__asm__(".globl _start\n"
        "_start:\n"
        "	mov x29, #0\n"
        "	mov x0, sp\n"
        "	bl hello_start\n");

static inline long sys4(long n, long a, long b, long c, long d)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
}
#else
#	error "hello has no system call code for this architecture: a few lines in src/hello/sys.h"
#endif

static inline long sys_open(const char *path, int flags)
{
	return sys4(__NR_openat, -100 /* AT_FDCWD */, (long)path, flags, 0);
}

static inline long sys_read(int fd, void *data, size_t len)
{
	return sys4(__NR_read, fd, (long)data, (long)len, 0);
}

static inline long sys_write(int fd, const void *data, size_t len)
{
	return sys4(__NR_write, fd, (long)data, (long)len, 0);
}

static inline long sys_close(int fd)
{
	return sys4(__NR_close, fd, 0, 0, 0);
}
