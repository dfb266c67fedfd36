-- One amount divided by a count, rounded half to even. Neither is negative.
CREATE FUNCTION half_even(value bigint, by integer) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT value / by + (2 * (value % by) > by OR (2 * (value % by) = by AND value / by % 2 = 1))::int
$$
