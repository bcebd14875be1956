"""Every tolerance of the suite, with the reason for its size."""

# Elsewhere than on an x86-64 CPU, the vector units add up a mean in another order. Relative to the
# loss where that exceeds 1, one float32 step is 1.2e-7; on ARM, up to 3e-8 was measured.
LOSS_ON_ANOTHER_PLATFORM = 2.0**-23

# A sum of 40 or 80 float32 terms of at most 1, added up in another order: NumPy's sums and torch's
# differ by up to 1.2e-7 on the published MAE runs, one float32 step at 1.
MEAN_IN_ANOTHER_ORDER = 2.0**-23

# Where such a last bit flips the sign of one residual, the MAE's gradient jumps by 2 |x| / n, and a
# float32 run is off by lr times that: 0.01 * 2 * 1 / 40. Seen on no x86-64 CPU; allowed elsewhere.
ONE_SIGN_FLIPPED = 5e-4

# The step of the second tutorial's custom module is rounded twice by hand and once by torch.optim.
# Measured: parameters 1.5e-8 apart, gradients (twice the sum of four terms of up to 16) 1.4e-6.
STEP_ROUNDED_TWICE = 2e-6

# Gradients at the same parameters in float64, relative to the mean size of the terms that they are
# the mean of: a sum of 1000 terms has at most 1000 roundings of 1.1e-16, typically about 30.
GRADIENT_FLOAT64 = 1e-12

# Whole runs in float64, relative to the size of their numbers: 30 such epochs.
TRAJECTORY_FLOAT64 = 1e-10

# Central differences with step 1e-6: truncated at 1e-12 times the third derivative, and rounded at
# 1e-16 / 1e-6 times the loss.
CENTRAL_DIFFERENCE = 1e-8

# One operation, or a short expression, of the engine in float64, relative to its size.
ENGINE_FLOAT64 = 1e-12

# 1000 steps of an optimizer in float64, relative to the size of the parameters.
OPTIMIZER_FLOAT64 = 1e-11

# A schedule's rates by hand and from torch, which multiplies its way from epoch to epoch: at most
# 1000 roundings of 1.1e-16, relative to the first rate, 0.01.
SCHEDULE_RATE = 1e-15

# Whole runs of 1000 epochs under a schedule, in float64 (in float32 a last bit of a rate can flip
# the sign of a residual: measured 3e-5 for the cosine, and 0 for step decay).
SCHEDULE_FLOAT64 = 1e-12
SCHEDULE_FLOAT32 = 1e-4

# A state of the cycle where the platform doesn't reproduce the run to the bit: one step of lr apart
# at most, as any pair of states is.
CYCLE_ELSEWHERE = 0.02

# What a printed number leaves out: half a unit of its third decimal, or one of its sixth.
THREE_DIGITS = 5e-4
PRINTED_DIGITS = 1e-6

# One logit in float32: exp, log and a division, each with a rounding of 6e-8 and a little more.
BCE_FLOAT32 = 1e-6

# How much farther than torch's a float32 loss or gradient may lie from the float64 reference, of
# the largest number compared: both are rounded to float32 at the end, by up to 2^-24 each.
FINAL_ROUNDING = 2.0**-23

# The tutorial's 40 points over several processes: their sums are added up in another order.
# Measured: 1.2e-7, one float32 step at 1; a mean of means over 3 processes is off by 0.07.
SEVERAL_PROCESSES = 2.0**-22
