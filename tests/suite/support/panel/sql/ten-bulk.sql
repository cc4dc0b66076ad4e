-- @accounts and @domains are set. Of each twelve accounts eight may log in; see accounts.rs for the rule.
INSERT INTO domains (id, name, displayName, cl_id)
  SELECT 10000 + seq, CONCAT('d', LPAD(seq, 5, '0'), '.example.jp'), CONCAT('d', LPAD(seq, 5, '0'), '.example.jp'), 3
  FROM seq_0_to_9999999 WHERE seq < @domains;
INSERT INTO smb_users (id, login, email, uuid, roleId, ownerId, isLocked)
  SELECT 1000000 + seq, CONCAT('user', LPAD(seq, 7, '0'), '@d', LPAD(seq % @domains, 5, '0'), '.example.jp'),
    CONCAT('user', LPAD(seq, 7, '0'), '@d', LPAD(seq % @domains, 5, '0'), '.example.jp'), UUID(), 5, 3, seq % 3 = 0
  FROM seq_0_to_9999999 WHERE seq < @accounts AND NOT (seq % 3 = 0 AND seq % 4 >= 2);
INSERT INTO accounts (id, type, password)
  SELECT 1000000 + seq, 'sym', CONCAT('canary-', seq) FROM seq_0_to_9999999 WHERE seq < @accounts;
INSERT INTO mail (id, mail_name, postbox, account_id, dom_id, userId)
  SELECT 1000000 + seq, CONCAT('user', LPAD(seq, 7, '0')), 'true', 1000000 + seq, 10000 + seq % @domains,
    CASE WHEN seq % 3 <> 0 OR seq % 4 < 2 THEN 1000000 + seq WHEN seq % 4 = 2 THEN 0 END
  FROM seq_0_to_9999999 WHERE seq < @accounts;
