"""Every tolerance of the suite, with the reason for its size."""

# Where a last bit flips the sign of one residual, the MAE's gradient jumps by 2 |x| / n, and the
# float32 run is off by lr times that: 0.01 * 2 * 1 / 40.
ONE_SIGN_FLIPPED = 5e-4

# That jump is at least 1 / 80 in the gradient by the bias (a sign that becomes 0). Two signs of
# neighbours that flip in opposite ways move the gradient by the weight by 2 * 0.01 / 80 = 2.5e-4.
# Rounding moves either by at most (n + 4) 2^-24 = 5e-6.
ONE_SIGN_IN_A_GRADIENT = 1e-4

# Gradients at the same parameters in float64, relative to the mean size of the terms that they are
# the mean of. A sum of 1000 terms has at most 1000 roundings of 1.1e-16, on either side: 2.2e-13. A
# term has a handful more.
GRADIENT_FLOAT64 = 1e-12

# Whole runs in float64, relative to the size of their numbers: 30 such epochs.
TRAJECTORY_FLOAT64 = 1e-10

# The step of the trainers' central differences.
CENTRAL_STEP = 1e-6

# Central differences with that step: truncated at 1e-12 times the third derivative, and rounded at
# 1e-16 / 1e-6 times the loss.
CENTRAL_DIFFERENCE = 1e-8

# One operation, or a short expression, of the engine in float64, relative to its size.
ENGINE_FLOAT64 = 1e-12

# One rounding to float32, relative to the number that is rounded.
ROUNDING = 2.0**-24

# What a printed number leaves out: half a unit of its third decimal, or one of its sixth.
HALF_A_UNIT_OF_8_DECIMALS = 5e-9
THREE_DIGITS = 5e-4
PRINTED_DIGITS = 1e-6

# --- gradient check and first epoch

# The slopes of the V. Where truncation reigns, the next Taylor term changes an error by less than
# h = 1 %: over two decades, the slope by log10(1.01) / 2 = 0.002. In the central difference it is
# less than h^2 = 1 %. Rounding adds less than 1 % at the small end.
SLOPE_OF_TRUNCATION = 0.01
# Where rounding reigns, the largest of 20 roundings varies from step to step, by a factor of 4 at
# most: over four decades, the slope by log10(4) / 4 = 0.15.
SLOPE_OF_ROUNDING = 0.15

# The room around a derivative, relative to the function's size. 1000 roundings of 2^-53, divided
# by the step of 2^-14, make 1.8e-9. The truncation adds 2^-28 / 4 of the third derivative, 0.9e-9,
# if that is no larger than the function; and what rounding adds to that is far less than 1000.
ROOM = 4e-9

# Float64 gradients by hand, by the engine and by torch: at most 8 roundings of 2^-53 of 1.
THREE_GRADIENTS = 8 * 2.0**-53

# The first epoch in float32, its numbers at most 1. A mean of 40 terms takes 10 + 2 additions in 4
# lanes (5 + 3 in 8), and its terms and the step some more: 16 roundings of 2^-24 at most.
FIRST_EPOCH_FLOAT32 = 16 * 2.0**-24

# --- the comparison of the trainers

# The verdict's bound on a loss at the start of a run, as a share of the loss: n + 3 float32
# roundings, and three of each residual, which is there about as large as its parts. 83 * 2^-24 is
# 5e-6 for the exercise's 80 points. A loss that is wrong by 1e-5 must lie beyond.
LOSS_BOUND_AT_THE_START = 8e-6

# The share of random steps theta - 0.01 * grad whose last bit depends on the product's rounding.
# That moves the product by a quarter of its last place on average, which is about 1/20 of theta's:
# past the middle of two float32 in 1.2 % of the steps, and onto a middle in about as many. So about
# 2 %; a rounding that is left out or done to another number gives 0, or far more.
STEPS_THAT_ROUND_DIFFERENTLY = (0.005, 0.05)

# The number that a verdict calls right is float64's, the one that was recorded before the fault was
# planted is float32's. Late in the second tutorial's runs the residuals are some 200 times smaller
# than the predictions whose roundings they keep: 3 * 200 * 2^-24 of a loss or gradient is 4e-5.
VERDICT_SHOWS = 1e-4

# BCE of one logit, in roundings (2^-24 in float32, 2^-53 in float64): on either side exp and log1p
# of up to 4 (the C library's and the vector units' worst), an addition and a product or division.
BCE_ROUNDINGS = 20

# --- optimizers and the pictures of training (u = 2^-53, half a float64 step at 1)

# 1000 steps with the same random gradients on both sides, relative to the size of the parameters.
# Adam's v takes 4 roundings a step and keeps them for up to 1000 steps: with sqrt, 2000 u of a step
# of lr = 0.05 and at most 5 in m' / sqrt(v'), so 500 u a step, on either side. That is 1e6 u.
# SGD's buffer is shorter: 5 roundings, kept for 10 steps, of numbers up to 10, times lr: 25 u.
# torch fuses a product and a sum into one rounding in add_, lerp_, addcmul_ and addcdiv_, where the
# CPU can. That leaves roundings out and adds none.
OPTIMIZER_FLOAT64 = 1.2e-10

# The same over 1000 epochs of the training loop, where the gradients come from the parameters, of
# at most 1. On either side an epoch rounds a parameter (2 u) and the gradient: 46 u of terms whose
# mean is below 1, times lr = 0.01, times 10 for momentum: 5 u. So 14 u an epoch. A difference grows
# at most threefold in the epochs after it, which a test measures.
OPTIMIZER_LOOP_FLOAT64 = 5e-12
GROWTH_IN_THE_LOOP = 3

# 100 epochs of plain gradient descent in float64, relative to the largest parameter or 1. An epoch
# adds up 40 terms and rounds 6 times more, on either side: 92 u, times lr h of at most 2.1. Later
# epochs enlarge that no more than they enlarge the parameters: 2e4 u.
PATHS_FLOAT64 = 2.2e-12

# Section 3's 100 epochs with MSE in float32 against float64. An epoch rounds a parameter by 2 u and
# a gradient by 46 u of 1, times lr = 0.016: 3 u, with u = 2^-24.
MSE_PATH_FLOAT32 = 1.8e-5

# Where two maps or two losses of 40 points were computed in float64: 46 roundings, either side.
LOSS_FLOAT64 = 1.1e-14

# --- limit_cycle and schedules

# One MAE step with lr of at most 0.01 ends at parameters below 1, rounded by at most 2^-25 (3e-8).
# The gradient is a sum of at most 80 terms with a mean of 0.4. Added up in any order it is off by
# at most 81 * 2^-24 * 0.4 = 1.9e-6, and the step by 1.9e-8. Both together are less than 2^-24.
CYCLE_STEP = 2.0**-24

# The same for the rates of the amplitudes, up to 0.04: 2^-25 + 0.04 * 1.9e-6 = 1.1e-7 < 2^-23.
CYCLE_DISTANCE = 2.0**-23

# A loss at a state of the cycle, against the same in float64. X and y, the product and the sum are
# rounded by at most 2^-25 each (2^-23 together); the mean of at most 80 residuals of at most 0.014
# adds 81 * 2^-24 * 0.014 = 6.8e-8.
CYCLE_LOSS = 2.0**-22

# A schedule's rates by hand and from torch, which multiplies its way from epoch to epoch with at
# most 4 roundings of 1.1e-16 each: 1000 epochs of them, relative to the first rate, 0.01.
SCHEDULE_RATE = 1000 * 4 * 1.1e-16 * 0.01

# Whole float64 runs under a schedule: in each epoch the rates differ by that much, times a gradient
# of at most 1, and 3 roundings of parameters below 1 are added.
SCHEDULE_FLOAT64 = 1000 * (SCHEDULE_RATE + 3 * 1.1e-16)

# Where a run under "lr times 0.1 every 150 epochs" settles. 1e-7 is the last rate that moves a bias
# of 0.3, whose rounding steps are 2^-25. The states lie 1e-7 * (0.39, 1) apart: 1.4e-7 in a
# prediction at x = 1. Parameters, prediction and label have 6 roundings of 2^-25: 1.8e-7.
SETTLED = 3.3e-7

# The mean of at most 40 float32 residuals of at most 0.7, added up in any order, each rounded four
# times by at most 2^-24.
MEAN_OF_RESIDUALS = (4 + 41 * 0.7) * 2.0**-24

# MSE's curvatures, by hand and from torch: means of 40 terms of at most 2 in float64.
CURVATURE = 2 * 40 * 2 * 1.1e-16

# The error of a float64 MSE run after 1000 epochs: per epoch 2 roundings of parameters below 1, and
# lr * 40 roundings of a gradient whose terms are at most 1.2; relative to the start's error, 0.14.
MSE_ERROR = 1000 * (2 + 0.8 * 40 * 1.2) * 1.1e-16 / 0.14

# Where a float32 MSE run at lr = 0.8 can stop: where the step is less than half a rounding step of
# the parameters (2^-25 / 0.8 each), or the gradient only the rounding of its residuals (twice
# 4 * 2^-25). Divided by the flattest curvature, 0.0919, that is an error of 3.4e-6 in the
# parameters, and sqrt(2) times that in a prediction.
MSE_STALLED = 5e-6

# --- numpy_blocks

# One rounding to float32, relative to the number that is rounded: half of its last bit.
FLOAT32_ROUNDING = 2.0**-24

# One term of a bce sum in float32: exp or log with at most 4 roundings' worth of error (NumPy's
# vector loops promise 4 units in the last place, the C library 1), and four more operations.
# Relative to 1 + |logit| for the loss, to 1 for the gradient by the logit.
BCE_TERM_FLOAT32 = (8 + 4) * 2.0**-24

# --- data_parallel

# Parameters after a run on the tutorial's 40 points, whose sums were added up in another order. The
# program itself holds each epoch to a few roundings. Here is room for one residual so near 0 that
# such a rounding flips its sign: lr * 2 |x| / n, with |x| below 1.
LEARNED_IN_ANOTHER_ORDER = 0.01 * 2 / 40

# --- the engine

# 5,000 factors 1.0001, multiplied one by one: each product is rounded by 1.1e-16, and the power
# that they are compared with once more.
ENGINE_CHAIN = 5_001 * 2.0**-53

# log(1 + e^x) and 1 - e^-that in float64: exp, log1p and expm1 are right to about one unit in the
# last place each, on either side of the comparison; none of them magnifies the error of the one
# before. Six of them: 6 * 2.2e-16.
ENGINE_SIGMOID = 6 * 2.0**-52

# --- docs/teaching.md

# What an answer prints, against the same from another CPU or from torch: one of its last digit.
# A number that moves by less than that is printed one higher or lower at most. The finest digit is
# 1e-5, of float32 losses below 0.5 from at most 40 points: 43 roundings of 2^-24 of that, twice,
# are 2.6e-6. The 1e-10 of momentum's answer is of float64: see OPTIMIZER_LOOP_FLOAT64.
ONE_OF_THE_LAST_DIGIT = 1

# A central difference of section 3's MAE, step 1e-4, in float64. The loss is piecewise a plane, so
# nothing is truncated. Two losses of 46 roundings of 2^-53, of terms below 1.2, over 2e-4.
DIFFERENCE_ON_A_PLANE = 2 * 46 * 2.0**-53 * 1.2 / 2e-4

# 100 epochs of Huber's loss in float64, lr = 0.1 and delta = 0.1. On either side an epoch rounds a
# parameter below 1 (2 u) and a mean of terms below 0.1, times lr: 46 * 0.01 u. So 5 u an epoch. The
# loss is convex and lr below 2 / h_max: a difference doesn't grow.
HUBER_FLOAT64 = 100 * 5 * 2.0**-53

# The place of a panel at 100 and at 200 pixels an inch, in pixels of the first: what stands beside
# a panel (tick labels, axis label, title) is each laid out in whole pixels of either.
WHOLE_PIXELS = 3

# --- planted faults and mutants

# X and y of the published runs, at most 10, against float64. Those of the pipeline are exact. The
# others are at most 1.2: torch.arange may round its step, 100 times 2^-31; X, the product and y
# are rounded, by 2^-24 at most. Four roundings of 2^-24 are more than all of these.
DATA_OF_A_RUN = 4 * 2.0**-24
