-- What a number can be found by, in small letters, a line each. The same text for the same number at all times: of tags
-- array_to_string makes it so, whatever the session has set, though it is not said to.
-- It costs as much as fetching many rows does, so that the planner asks the index.
CREATE FUNCTION number_words(number text, pretty text, nickname text, tags text[], user_id text, holder text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 2000 SET search_path = pg_catalog AS $$
BEGIN
  RETURN lower(concat_ws(E'\n', number, pretty, nickname, array_to_string(tags, E'\n'), user_id, holder));
END $$
