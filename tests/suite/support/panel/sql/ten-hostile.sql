INSERT INTO smb_users (id, login, email, uuid, roleId, ownerId, isLocked)
  SELECT 5000 + number, CONCAT(name, '@example.net'), CONCAT(name, '@example.net'), UUID(), 5, 3, IF(number % 2 = 1, 0, 1)
  FROM hostile;
INSERT INTO mail (mail_name, postbox, dom_id, userId) SELECT name, 'true', 2, 5000 + number FROM hostile ORDER BY number;
