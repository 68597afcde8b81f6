/*
 * kernels_choose.c
 *	  Which kernels this CPU runs, and which of them are in use.
 *
 * The only file that asks the CPU.  __builtin_cpu_supports also asks whether
 * the operating system saves the registers.
 */
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "simd/kernels.h"

const VegoKernels *vego_kernels = &vego_kernels_scalar;
const VegoKernels *vego_kernels_apart = &vego_kernels_scalar;

#if defined(__x86_64__)

/* Older compilers cannot ask for it by name. */
static bool
cpu_has_f16c(void)
{
	unsigned	eax,
				ebx,
				ecx,
				edx;

	return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 &&
		(ecx & bit_F16C) != 0;
}

static bool
cpu_has_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
		cpu_has_f16c();
}

static bool
cpu_has_avx512(void)
{
	return cpu_has_avx2() &&
		__builtin_cpu_supports("avx512f") &&
		__builtin_cpu_supports("avx512bw") &&
		__builtin_cpu_supports("avx512dq") &&
		__builtin_cpu_supports("avx512vl") &&
		__builtin_cpu_supports("avx512vnni");
}

/*
 * Linux gives a process the matrix unit when it asks, which children inherit:
 * arch_prctl(ARCH_REQ_XCOMP_PERM, tile data), see Documentation/arch/x86/xstate.
 */
#define ASK_FOR_STATE 0x1023
#define TILE_DATA 18

static bool
may_use_amx(void)
{
#if defined(__linux__) && defined(SYS_arch_prctl)
	return syscall(SYS_arch_prctl, ASK_FOR_STATE, TILE_DATA) == 0;
#else
	return false;
#endif
}

/* Compilers cannot ask for it by name: leaf 7, edx. */
static bool
cpu_has_amx(void)
{
	const unsigned wanted = 1U << 24 | 1U << 25;	/* tiles, of bytes */
	unsigned	eax,
				ebx,
				ecx,
				edx;

	return cpu_has_avx512() &&
		__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 &&
		(edx & wanted) == wanted && may_use_amx();
}

#endif

static bool
cpu_has_any(void)
{
	return true;
}

/* Best first. */
static const struct
{
	const VegoKernels *kernels;
	bool		(*cpu_runs_it) (void);
}			tables[] =
{
#if defined(__x86_64__)
	{&vego_kernels_amx, cpu_has_amx},
	{&vego_kernels_avx512, cpu_has_avx512},
	{&vego_kernels_avx2, cpu_has_avx2},
#endif
#if defined(__aarch64__)
	{&vego_kernels_neon, cpu_has_any},
#endif
	{&vego_kernels_scalar, cpu_has_any}
};

const VegoKernels *
vego_kernels_find(const char *name)
{
	bool		any_name = strcmp(name, "auto") == 0;

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
	{
		if ((any_name || strcmp(name, tables[i].kernels->name) == 0) &&
			tables[i].cpu_runs_it())
			return tables[i].kernels;
	}
	return NULL;
}

bool
vego_kernels_choose(const char *name)
{
	const VegoKernels *kernels = vego_kernels_find(name);

	if (kernels == NULL)
		return false;
	vego_kernels = kernels;
	vego_kernels_apart = kernels;
#if defined(__x86_64__)
	if (kernels == &vego_kernels_avx512 || kernels == &vego_kernels_amx)
		vego_kernels_apart = &vego_kernels_avx2;
#endif
	return true;
}

/* So that no caller need choose first. */
__attribute__((constructor))
static void
choose_best(void)
{
#if defined(__x86_64__)
	/* Other constructors, the compiler's own among them, may run later. */
	__builtin_cpu_init();
	vego_kernels_fill_amx();
#endif
	vego_kernels_choose("auto");
}
