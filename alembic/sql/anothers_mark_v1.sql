-- Is this nickname headed by the mark of another purchase than this one? A purchase of the same key has the same mark.
CREATE FUNCTION anothers_mark(asker intents, nickname text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT left(ltrim(nickname), 15) <> rtrim(asker.mark)
     AND EXISTS (SELECT FROM intents i WHERE i.account_id = asker.account_id AND i.mark = left(ltrim(nickname), 15) || ' ')
$$
