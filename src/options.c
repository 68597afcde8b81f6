/*
 * options.c
 *	  What can be set, and between which limits?
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "utils/guc.h"

#include "compat.h"
#include "options.h"
#include "simd/kernels.h"

/* Zero where not given. */
typedef struct VegoOptions
{
	int32		vl_len_;
	int			m;
	int			ef_construction;
	int			bits;
	int			ef_search;
	int			exact;
} VegoOptions;

int			vego_guc_order = VEGO_ORDER_STRICT;
bool		vego_guc_pinned_reads = false;

static int	guc_ef_search = VEGO_DEFAULT_EF_SEARCH;
static char *guc_simd;
static relopt_kind option_kind;

static const struct config_enum_entry order_values[] = {
	{"strict", VEGO_ORDER_STRICT, false},
	{"relaxed", VEGO_ORDER_RELAXED, false},
	{NULL, 0, false}
};

static relopt_enum_elt_def bits_values[] = {
	{"8", 8},
	{"4", 4},
	{NULL}
};

static relopt_enum_elt_def exact_values[] = {
	{"off", VEGO_EXACT_OFF},
	{"plain", VEGO_EXACT_PLAIN},
	{"zstd", VEGO_EXACT_ZSTD},
	{NULL}
};

static bool
check_simd(char **value, void **extra, GucSource source)
{
	if (strcmp(*value, "auto") == 0 || vego_kernels_find(*value) != NULL)
		return true;
	GUC_check_errdetail("This processor or build has no instruction set of that name for vego.");
	GUC_check_errhint("Use auto, or one of scalar, avx2, avx512, amx, neon that the processor has.");
	return false;
}

static void
assign_simd(const char *value, void *extra)
{
	vego_kernels_choose(value);
}

void
vego_options_init(void)
{
	option_kind = add_reloption_kind();
	add_int_reloption(option_kind, "m",
					  "Links a node chooses; by the dimensions unless given",
					  0, VEGO_MIN_M, VEGO_MAX_M, AccessExclusiveLock);
	add_int_reloption(option_kind, "ef_construction",
					  "Candidates considered for a node's links; by the number of rows unless given",
					  0, VEGO_MIN_EF_CONSTRUCTION, VEGO_MAX_EF_CONSTRUCTION,
					  ShareUpdateExclusiveLock);
	add_enum_reloption(option_kind, "bits",
					   "Bits of a dimension in the index",
					   bits_values, 0,
					   gettext_noop("Valid values are \"8\" and \"4\"."),
					   AccessExclusiveLock);
	add_enum_reloption(option_kind, "exact",
					   "Whether the index keeps the vectors themselves, and how",
					   exact_values, VEGO_EXACT_OFF,
					   gettext_noop("Valid values are \"off\", \"plain\" and \"zstd\"."),
					   AccessExclusiveLock);
	add_int_reloption(option_kind, "ef_search",
					  "Width of a search, instead of the setting vego.ef_search",
					  0, VEGO_MIN_EF_SEARCH, VEGO_MAX_EF_SEARCH,
					  ShareUpdateExclusiveLock);

	DefineCustomIntVariable("vego.ef_search",
							"Width of a search: more finds more, and takes longer.",
							"An index's storage parameter ef_search goes before it.",
							&guc_ef_search, VEGO_DEFAULT_EF_SEARCH,
							VEGO_MIN_EF_SEARCH, VEGO_MAX_EF_SEARCH,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("vego.order",
							 "Whether a row found late may be returned after farther ones.",
							 "strict withholds it, relaxed returns it late.",
							 &vego_guc_order, VEGO_ORDER_STRICT, order_values,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("vego.simd",
							   "Instruction set of the distance kernels.",
							   "auto uses the best the processor has.",
							   &guc_simd, "auto", PGC_USERSET, 0,
							   check_simd, assign_simd, NULL);
	DefineCustomBoolVariable("vego.pinned_reads",
							 "Reads every node under a pin and a lock.",
							 "For tests: answers are the same, searches are slower.",
							 &vego_guc_pinned_reads, false, PGC_USERSET,
							 GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);
	MarkGUCPrefixReserved("vego");
}

int
vego_options_ef_search(Relation index)
{
	VegoOptions *options = (VegoOptions *) index->rd_options;

	return options && options->ef_search > 0 ?
		options->ef_search : guc_ef_search;
}

int
vego_options_m(Relation index)
{
	VegoOptions *options = (VegoOptions *) index->rd_options;

	return options ? options->m : 0;
}

int
vego_options_ef_construction(Relation index)
{
	VegoOptions *options = (VegoOptions *) index->rd_options;

	return options ? options->ef_construction : 0;
}

int
vego_options_bits(Relation index)
{
	VegoOptions *options = (VegoOptions *) index->rd_options;

	return options ? options->bits : 0;
}

VegoExactMode
vego_options_exact(Relation index)
{
	VegoOptions *options = (VegoOptions *) index->rd_options;

	return options ? options->exact : VEGO_EXACT_OFF;
}

const char *
vego_exact_mode_name(VegoExactMode mode)
{
	return exact_values[mode].string_val;
}

bool
vego_exact_mode(const char *name, VegoExactMode *mode)
{
	const relopt_enum_elt_def *value = exact_values;

	while (value->string_val && strcmp(value->string_val, name) != 0)
		value++;
	*mode = value->symbol_val;
	return value->string_val != NULL;
}

bytea *
vegooptions(Datum reloptions, bool validate)
{
	static const relopt_parse_elt elements[] = {
		{"m", RELOPT_TYPE_INT, offsetof(VegoOptions, m)},
		{"ef_construction", RELOPT_TYPE_INT,
		offsetof(VegoOptions, ef_construction)},
		{"bits", RELOPT_TYPE_ENUM, offsetof(VegoOptions, bits)},
		{"ef_search", RELOPT_TYPE_INT, offsetof(VegoOptions, ef_search)},
		{"exact", RELOPT_TYPE_ENUM, offsetof(VegoOptions, exact)},
	};

	return build_reloptions(reloptions, validate, option_kind,
							sizeof(VegoOptions), elements,
							lengthof(elements));
}
