"""An image of any size to the pixels of the model, as a graph: the integers of `to_shape`, to the bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from firstlight.data.loading import Preprocessing
from firstlight.models.exporting.align import aligning

# Pillow resizes in two passes and rounds after each. A pass is a product with a matrix of weights k / 2**22, k whole.
# Written as k = 65536 a + 256 b + c it is three products of bytes, each exact in 32 bits: MatMulInteger, which is also
# the fastest product there is. Where an image fits already, nothing is computed.
FUNCTIONS = """
<domain: "firstlight", opset_import: ["" : 18, "firstlight" : 1]>
bytes_of (n, start, length, m) => (limbs)
{ # (3 m, n) uint8: how much each of n pixels adds to each of m; a triangle as wide as the scale, cut off at the edges
  zero = Constant <value = int64 {0}> ()
  one = Constant <value = int64 {1}> ()
  half = Constant <value = double {0.5}> ()
  unit = Constant <value = double {1}> ()
  none = Constant <value = double {0}> ()
  last_axis = Constant <value = int64[1] {1}> ()
  outputs = Range (zero, m, one)
  inputs = Range (zero, n, one)
  column = Cast <to = 11> (outputs)
  at = Unsqueeze (column, last_axis)
  pixel = Cast <to = 11> (inputs)
  size = Cast <to = 11> (n)
  wanted = Cast <to = 11> (m)
  scale = Div (length, wanted)
  support = Max (scale, unit)
  slope = Div (unit, support)
  at_middle = Add (at, half)
  scaled = Mul (at_middle, scale)
  centre = Add (start, scaled)
  low = Sub (centre, support)
  low_rounded = Add (low, half)
  low_clipped = Max (low_rounded, none)
  first = Floor (low_clipped)
  high = Add (centre, support)
  high_rounded = Add (high, half)
  high_floor = Floor (high_rounded)
  end = Min (high_floor, size)
  away = Sub (pixel, centre)
  away_middle = Add (away, half)
  distance = Mul (away_middle, slope)
  absolute = Abs (distance)
  triangle = Sub (unit, absolute)
  positive = Max (triangle, none)
  from_first = GreaterOrEqual (pixel, first)
  before_end = Less (pixel, end)
  inside = And (from_first, before_end)
  weights = Where (inside, positive, none)
  total = ReduceSum <keepdims = 1> (weights, last_axis)
  share = Div (weights, total)
  fixed_point = Constant <value = double {4194304}> ()
  large = Mul (share, fixed_point)
  rounded = Add (large, half)
  whole = Floor (rounded)
  high_base = Constant <value = double {65536}> ()
  base = Constant <value = double {256}> ()
  over_high = Div (whole, high_base)
  a = Floor (over_high)
  a_part = Mul (a, high_base)
  rest = Sub (whole, a_part)
  over_base = Div (rest, base)
  b = Floor (over_base)
  b_part = Mul (b, base)
  c = Sub (rest, b_part)
  stacked = Concat <axis = 0> (a, b, c)
  limbs = Cast <to = 2> (stacked)
}

<domain: "firstlight", opset_import: ["" : 18, "firstlight" : 1]>
gathered (a, b, c) => (pixels)
{ # 65536 a + 256 b + c, over 2**22, rounded: int32 of any shape -> uint8
  high_base = Constant <value = int32 {65536}> ()
  base = Constant <value = int32 {256}> ()
  half = Constant <value = int32 {2097152}> ()
  divisor = Constant <value = int32 {4194304}> ()
  high = Mul (a, high_base)
  middle = Mul (b, base)
  upper = Add (high, middle)
  sum = Add (upper, c)
  rounded = Add (sum, half)
  quotient = Div (rounded, divisor)
  pixels = Cast <to = 2> (quotient)
}

<domain: "firstlight", opset_import: ["" : 18, "firstlight" : 1]>
down (images, limbs) => (shorter)
{ # (N, H, W, C) and (3 h, H) -> (N, h, W, C)
  keep_ends = Constant <value = int64[3] {0, 0, -1}> ()
  rows = Reshape (images, keep_ends)
  products = MatMulInteger (limbs, rows)
  a, b, c = Split <axis = 1, num_outputs = 3> (products)
  narrow = firstlight.gathered (a, b, c)
  shape = Shape (images)
  i = Constant <value = int64[2] {2, 3}> ()
  columns = Gather (shape, i)
  number = Shape <start = 0, end = 1> (images)
  unknown = Constant <value = int64[1] {-1}> ()
  wanted = Concat <axis = 0> (number, unknown, columns)
  shorter = Reshape (narrow, wanted)
}

<domain: "firstlight", opset_import: ["" : 18, "firstlight" : 1]>
across (images, limbs) => (narrower)
{ # (N, H, W, C) and (3 w, W) -> (N, H, w, C)
  columns_last = Transpose <perm = [0, 1, 3, 2]> (images)
  flat = Constant <value = int64[2] {-1, 0}> ()
  width = Shape <start = 2, end = 3> (images)
  unknown = Constant <value = int64[1] {-1}> ()
  rows_by_width = Concat <axis = 0> (unknown, width)
  rows = Reshape (columns_last, rows_by_width)
  weights = Transpose <perm = [1, 0]> (limbs)
  products = MatMulInteger (rows, weights)
  a, b, c = Split <axis = 1, num_outputs = 3> (products)
  narrow = firstlight.gathered (a, b, c)
  number_height = Shape <start = 0, end = 2> (images)
  channels = Shape <start = 3, end = 4> (images)
  wanted = Concat <axis = 0> (number_height, channels, unknown)
  split = Reshape (narrow, wanted)
  narrower = Transpose <perm = [0, 1, 3, 2]> (split)
}
"""

# L = (19595 R + 38470 G + 7471 B + 32768) >> 16 (ITU-R BT.601 as Pillow has it); below 2**24, so exact in float32.
GRAY = """
  one_channel = Constant <value = int64[1] {1}> ()
  is_gray = Equal (channels_there, one_channel)
  colored = If (is_gray) <
    then_branch = gray () => (gray_already) { gray_already = Identity (images) },
    else_branch = color () => (gray_now) {
      luma = Constant <value = float[3,1] {19595, 38470, 7471}> ()
      half_gray = Constant <value = float {32768}> ()
      gray_share = Constant <value = float {0.0000152587890625}> ()
      exact = Cast <to = 1> (images)
      weighted = MatMul (exact, luma)
      upper_gray = Add (weighted, half_gray)
      over_gray = Mul (upper_gray, gray_share)
      whole_gray = Floor (over_gray)
      gray_now = Cast <to = 2> (whole_gray)
    }
  >
"""
AS_IT_IS = """
  colored = Identity (images)
"""
THREE = """
  shaped = Gather <axis = 3> (fitted, first_three)
"""
ONE = """
  shaped = Identity (fitted)
"""

# Of the image's rows and columns, what is looked at, and to how many of the model's it is brought.
SQUISH = """
  top = Constant <value = double {0}> ()
  left = Constant <value = double {0}> ()
  looked_rows = Identity (height)
  looked_columns = Identity (width)
  inner_rows = Identity (rows)
  inner_columns = Identity (columns)
"""
CROP = """
  tall_scale = Div (height, wanted_height)
  wide_scale = Div (width, wanted_width)
  scale = Min (tall_scale, wide_scale)
  two = Constant <value = double {2}> ()
  box_height = Mul (wanted_height, scale)
  box_width = Mul (wanted_width, scale)
  height_left = Sub (height, box_height)
  width_left = Sub (width, box_width)
  top_free = Div (height_left, two)
  left_free = Div (width_left, two)
  bottom_free = Add (top_free, box_height)
  right_free = Add (left_free, box_width)
  nothing = Constant <value = double {0}> ()
  top_inside = Max (top_free, nothing)
  left_inside = Max (left_free, nothing)
  bottom_inside = Min (bottom_free, height)
  right_inside = Min (right_free, width)
  top_single = Cast <to = 1> (top_inside)
  left_single = Cast <to = 1> (left_inside)
  bottom_single = Cast <to = 1> (bottom_inside)
  right_single = Cast <to = 1> (right_inside)
  top = Cast <to = 11> (top_single)
  left = Cast <to = 11> (left_single)
  rows_single = Sub (bottom_single, top_single)
  columns_single = Sub (right_single, left_single)
  looked_rows = Cast <to = 11> (rows_single)
  looked_columns = Cast <to = 11> (columns_single)
  inner_rows = Identity (rows)
  inner_columns = Identity (columns)
"""
PAD = """
  top = Constant <value = double {0}> ()
  left = Constant <value = double {0}> ()
  looked_rows = Identity (height)
  looked_columns = Identity (width)
  tall_scale = Div (wanted_height, height)
  wide_scale = Div (wanted_width, width)
  scale = Min (tall_scale, wide_scale)
  free_rows = Mul (height, scale)
  free_columns = Mul (width, scale)
  even_rows = Round (free_rows)
  even_columns = Round (free_columns)
  whole_rows = Cast <to = 7> (even_rows)
  whole_columns = Cast <to = 7> (even_columns)
  at_least = Constant <value = int64 {1}> ()
  inner_rows = Max (whole_rows, at_least)
  inner_columns = Max (whole_columns, at_least)
"""
EVEN = """
  placed = Identity (inner)
"""
BLACK_AROUND = """
  more_rows = Sub (rows, inner_rows)
  more_columns = Sub (columns, inner_columns)
  halves = Constant <value = int64 {2}> ()
  rows_above = Div (more_rows, halves)
  columns_before = Div (more_columns, halves)
  rows_below = Sub (more_rows, rows_above)
  columns_after = Sub (more_columns, columns_before)
  flat = Constant <value = int64[1] {0}> ()
  above = Unsqueeze (rows_above, flat)
  before = Unsqueeze (columns_before, flat)
  below = Unsqueeze (rows_below, flat)
  after = Unsqueeze (columns_after, flat)
  pads = Concat <axis = 0> (flat, above, before, flat, flat, below, after, flat)
  black = Constant <value = uint8 {0}> ()
  placed = Pad (inner, pads, black)
"""
RESIZES: Mapping[str, tuple[str, str]] = {"squish": (SQUISH, EVEN), "crop": (CROP, EVEN), "pad": (PAD, BLACK_AROUND)}


def preprocessing(config: Mapping[str, Any]) -> str:
    """The function from ``images`` uint8 (N, H, W, C), C = 1 or 3, to ``pixels`` uint8 (N, h, w, c), as ONNX's text.

    Args:
        config: of a saved model: its ``shape`` and ``preprocessing``.

    Returns:
        ``firstlight.preprocessed`` and the functions that it calls, whose names are their own.
    """
    height, width, channels = config["shape"]
    how = Preprocessing.from_dict(config["preprocessing"])
    box, around = RESIZES[how.resize]
    return f"""{FUNCTIONS if how.align == "none" else FUNCTIONS + aligning(how.align, config["shape"])}
<domain: "firstlight", opset_import: ["" : 18, "firstlight" : 1]>
preprocessed (images) => (pixels)
{{
  last_channel = Constant <value = int64[1] {{-1}}> ()
  shape = Shape (images)
  channels_there = Shape <start = 3, end = 4> (images)
  last = Add (channels_there, last_channel)
  rgb = Constant <value = int64[3] {{0, 1, 2}}> ()
  first_three = Min (rgb, last)
  {GRAY if channels == 1 else AS_IT_IS}
  i_rows = Constant <value = int64 {{1}}> ()
  i_columns = Constant <value = int64 {{2}}> ()
  n_rows = Gather (shape, i_rows)
  n_columns = Gather (shape, i_columns)
  rows = Constant <value = int64 {{{height}}}> ()
  columns = Constant <value = int64 {{{width}}}> ()
  same_rows = Equal (n_rows, rows)
  same_columns = Equal (n_columns, columns)
  same = And (same_rows, same_columns)
  fitted = If (same) <
    then_branch = fits () => (as_it_is) {{ as_it_is = Identity (colored) }},
    else_branch = resized () => (placed) {{
      height = Cast <to = 11> (n_rows)
      width = Cast <to = 11> (n_columns)
      wanted_height = Cast <to = 11> (rows)
      wanted_width = Cast <to = 11> (columns)
      {box}
      row_limbs = firstlight.bytes_of (n_rows, top, looked_rows, inner_rows)
      column_limbs = firstlight.bytes_of (n_columns, left, looked_columns, inner_columns)
      less_rows = Sub (n_rows, inner_rows)
      less_columns = Sub (n_columns, inner_columns)
      twice_columns = Add (less_columns, less_columns)
      shrinks = Greater (n_rows, inner_rows)
      more = Greater (less_rows, twice_columns)
      rows_first = And (shrinks, more)
      inner = If (rows_first) <
        then_branch = down_then_across () => (y) {{
          shorter = firstlight.down (colored, row_limbs)
          y = firstlight.across (shorter, column_limbs)
        }},
        else_branch = across_then_down () => (z) {{
          narrower = firstlight.across (colored, column_limbs)
          z = firstlight.down (narrower, row_limbs)
        }}
      >
      {around}
    }}
  >
  {THREE if channels == 3 else ONE}
  pixels = {"Identity" if how.align == "none" else "firstlight.aligned"} (shaped)
}}
"""
