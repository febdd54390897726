"""Framing by the ink as a graph: what `firstlight.data.decoding.align` does, in float64 and in the same order."""

from __future__ import annotations

from collections.abc import Sequence

from firstlight.data.decoding.align import LEAST

ALONG = """
<domain: "firstlight", opset_import: ["" : 18]>
along (values, places, ground) => (sampled)
{ # (N, H, W, C), (N, H or 1, W) and (N, C): of every row the values at these columns, linearly between two pixels
  half = Constant <value = double {0.5}> ()
  one = Constant <value = double {1}> ()
  none = Constant <value = double {0}> ()
  three = Constant <value = int64[1] {3}> ()
  middle = Constant <value = int64[2] {1, 2}> ()
  shape = Shape (values)
  columns = Shape <start = 2, end = 3> (values)
  width = Cast <to = 11> (columns)
  last = Sub (width, one)
  at_pixel = Sub (places, half)
  first = Floor (at_pixel)
  second = Add (first, one)
  flat_part = Sub (at_pixel, first)
  part = Unsqueeze (flat_part, three)
  rest = Sub (one, part)
  background = Unsqueeze (ground, middle)
  first_low = Max (first, none)
  first_clipped = Min (first_low, last)
  first_index = Cast <to = 7> (first_clipped)
  first_columns = Unsqueeze (first_index, three)
  first_indices = Expand (first_columns, shape)
  first_values = GatherElements <axis = 2> (values, first_indices)
  first_same = Equal (first, first_clipped)
  first_inside = Unsqueeze (first_same, three)
  left = Where (first_inside, first_values, background)
  second_low = Max (second, none)
  second_clipped = Min (second_low, last)
  second_index = Cast <to = 7> (second_clipped)
  second_columns = Unsqueeze (second_index, three)
  second_indices = Expand (second_columns, shape)
  second_values = GatherElements <axis = 2> (values, second_indices)
  second_same = Equal (second, second_clipped)
  second_inside = Unsqueeze (second_same, three)
  right = Where (second_inside, second_values, background)
  left_part = Mul (rest, left)
  right_part = Mul (part, right)
  sampled = Add (left_part, right_part)
}
"""

BOX = """
  strongest = ReduceMax <keepdims = 1> (ink, inner)
  enough = Div (strongest, two)
  is_strong = GreaterOrEqual (ink, enough)
  strong = Cast <to = 1> (is_strong)
  by_row = ReduceMax <keepdims = 0> (strong, second_axis)
  by_column = ReduceMax <keepdims = 0> (strong, first_axis)
  top_at = ArgMax <axis = 1, keepdims = 1> (by_row)
  bottom_at = ArgMax <axis = 1, keepdims = 1, select_last_index = 1> (by_row)
  left_at = ArgMax <axis = 1, keepdims = 1> (by_column)
  right_at = ArgMax <axis = 1, keepdims = 1, select_last_index = 1> (by_column)
  top = Cast <to = 11> (top_at)
  bottom = Cast <to = 11> (bottom_at)
  left = Cast <to = 11> (left_at)
  rightmost = Cast <to = 11> (right_at)
  tall_less = Sub (bottom, top)
  wide_less = Sub (rightmost, left)
  tall = Add (tall_less, one)
  wide = Add (wide_less, one)
  row_scale = Div (tall, height)
  column_scale = Div (wide, width)
  scaled_rows = Mul (rows, row_scale)
  scaled_columns = Mul (columns, column_scale)
  down = Add (top, scaled_rows)
  right = Add (left, scaled_columns)
"""
WEIGHT = """
  strongest = ReduceMax <keepdims = 0> (ink, inner)
  nothing = Constant <value = double {0}> ()
  is_there = Greater (strongest, nothing)
  there = Unsqueeze (is_there, first_axis)
  sum = ReduceSum <keepdims = 0> (ink, inner)
  total_flat = Max (sum, least)
  total = Unsqueeze (total_flat, first_axis)
  by_row = ReduceSum <keepdims = 0> (ink, second_axis)
  by_column = ReduceSum <keepdims = 0> (ink, first_axis)
  row_moments = Mul (by_row, rows)
  column_moments = Mul (by_column, columns)
  row_moment = ReduceSum <keepdims = 1> (row_moments, first_axis)
  column_moment = ReduceSum <keepdims = 1> (column_moments, first_axis)
  y = Div (row_moment, total)
  x = Div (column_moment, total)
"""
MASS = f"""{WEIGHT}
  middle_row = Div (height, two)
  middle_column = Div (width, two)
  off_rows = Sub (y, middle_row)
  off_columns = Sub (x, middle_column)
  move_rows = Where (there, off_rows, nothing)
  move_columns = Where (there, off_columns, nothing)
  down = Add (rows, move_rows)
  right = Add (columns, move_columns)
"""
DESKEW = f"""{WEIGHT}
  off_row = Sub (rows, y)
  off_column = Sub (columns, x)
  squares = Mul (off_row, off_row)
  weighted_squares = Mul (by_row, squares)
  variance = ReduceSum <keepdims = 1> (weighted_squares, first_axis)
  off_column_inner = Unsqueeze (off_column, first_axis)
  weighted = Mul (ink, off_column_inner)
  by_row_weighted = ReduceSum <keepdims = 0> (weighted, second_axis)
  products = Mul (by_row_weighted, off_row)
  covariance = ReduceSum <keepdims = 1> (products, first_axis)
  divisor = Max (variance, least)
  slant = Div (covariance, divisor)
  shifts = Mul (slant, off_row)
  moves = Where (there, shifts, nothing)
  moves_inner = Unsqueeze (moves, second_axis)
  right_inner = Add (columns, moves_inner)
"""
ROWS_AND_COLUMNS = """
  right_inner = Unsqueeze (right, first_axis)
  across = firstlight.along (values, right_inner, ground)
  turned = Transpose <perm = [0, 2, 1, 3]> (across)
  down_inner = Unsqueeze (down, first_axis)
  along_rows = firstlight.along (turned, down_inner, ground)
  result = Transpose <perm = [0, 2, 1, 3]> (along_rows)
"""
COLUMNS_ALONE = """
  result = firstlight.along (values, right_inner, ground)
"""
ALIGNMENTS = {"box": BOX + ROWS_AND_COLUMNS, "mass": MASS + ROWS_AND_COLUMNS, "deskew": DESKEW + COLUMNS_ALONE}


def aligning(align: str, shape: Sequence[int]) -> str:
    """The function ``firstlight.aligned`` from uint8 (N, h, w, c) to the same shape, as ONNX's text.

    Args:
        align: ``"box"``, ``"mass"`` or ``"deskew"``.
        shape: (h, w, c).
    """
    height, width, channels = shape
    border = [
        int(row in (0, height - 1) or column in (0, width - 1)) for row in range(height) for column in range(width)
    ]
    rows, columns = ([place + 0.5 for place in range(side)] for side in (height, width))
    return f"""{ALONG}
<domain: "firstlight", opset_import: ["" : 18, "firstlight" : 1]>
aligned (shaped) => (pixels)
{{
  first_axis = Constant <value = int64[1] {{1}}> ()
  second_axis = Constant <value = int64[1] {{2}}> ()
  last_axis = Constant <value = int64[1] {{-1}}> ()
  inner = Constant <value = int64[2] {{1, 2}}> ()
  one = Constant <value = double {{1}}> ()
  two = Constant <value = double {{2}}> ()
  half = Constant <value = double {{0.5}}> ()
  least = Constant <value = double {{{LEAST!r}}}> ()
  height = Constant <value = double {{{height}}}> ()
  width = Constant <value = double {{{width}}}> ()
  channels = Constant <value = double {{{channels}}}> ()
  rows = Constant <value = double[1,{height}] {{{", ".join(map(str, rows))}}}> ()
  columns = Constant <value = double[1,{width}] {{{", ".join(map(str, columns))}}}> ()
  border = Constant <value = double[1,{height},{width},1] {{{", ".join(map(str, border))}}}> ()
  outermost = Constant <value = double {{{sum(border)}}}> ()
  values = Cast <to = 11> (shaped)
  at_border = Mul (values, border)
  border_sum = ReduceSum <keepdims = 0> (at_border, inner)
  ground = Div (border_sum, outermost)
  gray_sum = ReduceSum <keepdims = 0> (values, last_axis)
  gray = Div (gray_sum, channels)
  ground_sum = ReduceSum <keepdims = 1> (ground, last_axis)
  ground_gray = Div (ground_sum, channels)
  ground_inner = Unsqueeze (ground_gray, second_axis)
  difference = Sub (gray, ground_inner)
  ink = Abs (difference)
{ALIGNMENTS[align]}
  raised = Add (result, half)
  whole = Floor (raised)
  pixels = Cast <to = 2> (whole)
}}
"""
